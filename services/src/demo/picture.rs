//! The ring as a picture in text.

use std::f64::consts::TAU;

/// Columns and rows of the circle itself.
const SIZE: (f64, f64) = (38.0, 15.0);
/// Columns left and right of it, for names.
const MARGIN: usize = 12;

/// Draws peers, each a name and its place on the ring (0 to 1, clockwise from the top), on a circle.
pub fn ring(peers: &[(String, f64)]) -> String {
    let (width, height) = (SIZE.0 as usize + 2 * MARGIN + 1, SIZE.1 as usize + 1);
    let mut canvas = vec![vec![' '; width]; height];
    let spot = |place: f64| {
        let angle = place * TAU;
        let column = MARGIN as f64 + SIZE.0 / 2.0 * (1.0 + angle.sin());
        let row = SIZE.1 / 2.0 * (1.0 - angle.cos());
        (column.round() as usize, row.round() as usize)
    };
    for step in 0..720 {
        let (column, row) = spot(f64::from(step) / 720.0);
        canvas[row][column] = '·';
    }
    for (_, place) in peers {
        let (column, row) = spot(*place);
        canvas[row][column] = '●';
    }
    for (name, place) in peers {
        let (column, row) = spot(*place);
        let label = format!(" {} ", name.chars().take(MARGIN - 2).collect::<String>());
        let length = label.chars().count();
        let (left, right) = (column.saturating_sub(length), column + 1);
        let sides = if *place < 0.5 { [right, left] } else { [left, right] };
        // Outside of the circle if there is room, else inside, else not at all: never over another peer.
        let free = |start: &usize| {
            let cells = canvas[row].get(*start..start + length);
            cells.is_some_and(|cells| cells.iter().all(|cell| matches!(cell, ' ' | '·')))
        };
        if let Some(start) = sides.into_iter().find(free) {
            canvas[row].splice(start..start + length, label.chars());
        }
    }
    let lines = canvas.into_iter().map(|row| row.into_iter().collect::<String>());
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_is_on_the_picture_at_its_place() {
        let peers = [("p1", 0.05), ("p2", 0.3), ("p3", 0.5), ("p4", 0.75)].map(|(n, p)| (n.to_owned(), p));
        let picture = ring(&peers);
        assert_eq!(picture.matches('●').count(), 4);
        let line = |name: &str| picture.lines().position(|line| line.contains(name)).unwrap();
        assert!(line("p1") < line("p2") && line("p2") < line("p3") && line("p4") < line("p3"));
    }

    #[test]
    fn sixty_four_peers_and_long_names_fit() {
        let peers: Vec<(String, f64)> = (0..64).map(|n| ("x".repeat(99), f64::from(n) / 64.0)).collect();
        assert!(ring(&peers).lines().all(|line| line.chars().count() <= 64));
    }
}
