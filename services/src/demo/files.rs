//! The files that the demo's peers share: several kinds and sizes, made here, the same each time.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// The file that the demo asks for, and which peer, counted from 0, has it.
pub const WANTED: (&str, usize) = ("annual report 2026.csv", 2);

/// Fills the folder of peer `number` with files of its own. Returns their paths below it.
///
/// # Errors
/// Where a file can't be written.
pub fn make(folder: &Path, number: usize) -> io::Result<Vec<PathBuf>> {
    let mut rng = StdRng::seed_from_u64(number as u64);
    let mut files = vec![
        (format!("notes of p{}.txt", number + 1), notes(number)),
        (format!("pictures/rings {}.svg", number + 1), rings(&mut rng)),
    ];
    match number % 5 {
        0 => files.push(("music/canción de cuna 🎵.wav".into(), tone(3))),
        1 => files.push(("data/measurements.json".into(), measurements(&mut rng))),
        // The one that is asked for has one holder, however many peers there are.
        2 if number == WANTED.1 => files.push((format!("reports/{}", WANTED.0), report(&mut rng))),
        2 => files.push((format!("reports/report of p{}.csv", number + 1), report(&mut rng))),
        3 => files.push(("backup/disk.img".into(), noise(&mut rng, 3 << 20))),
        _ => files.push(("empty file".into(), Vec::new())),
    }
    for (path, bytes) in &files {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, bytes)?;
    }
    Ok(files.into_iter().map(|(path, _)| path.into()).collect())
}

fn notes(number: usize) -> Vec<u8> {
    format!("These are the notes of peer {}.\nNobody else has them.\n", number + 1).into_bytes()
}

fn report(rng: &mut StdRng) -> Vec<u8> {
    let mut text = String::from("month,visitors,income\n");
    for year in 1990..2026 {
        for month in 1..=12 {
            let visitors = rng.random_range(1_000..90_000);
            let _ = writeln!(text, "{year}-{month:02},{visitors},{}.{:02}", visitors * 7, visitors % 100);
        }
    }
    text.into_bytes()
}

fn measurements(rng: &mut StdRng) -> Vec<u8> {
    let rows: Vec<serde_json::Value> = (0..500)
        .map(|second| serde_json::json!({ "second": second, "celsius": 20.0 + rng.random_range(-1.0..1.0) }))
        .collect();
    serde_json::Value::from(rows).to_string().into_bytes()
}

fn rings(rng: &mut StdRng) -> Vec<u8> {
    let mut svg = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 200 200\">\n");
    for radius in (10..100).step_by(10) {
        let hue = rng.random_range(0..360);
        let _ = writeln!(
            svg,
            "<circle cx=\"100\" cy=\"100\" r=\"{radius}\" fill=\"none\" stroke=\"hsl({hue},70%,50%)\" \
             stroke-width=\"4\"/>"
        );
    }
    svg.push_str("</svg>\n");
    svg.into_bytes()
}

/// A WAV file: a falling tone of so many seconds, 8 bits, 8 kHz.
fn tone(seconds: u32) -> Vec<u8> {
    let samples = seconds * 8000;
    let mut wav = Vec::with_capacity(samples as usize + 44);
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(samples + 36).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data");
    wav.extend_from_slice(&samples.to_le_bytes());
    wav.extend((0..samples).map(|n| {
        let time = f64::from(n) / 8000.0;
        (128.0 + 90.0 * (time * 2.0 * std::f64::consts::PI * (440.0 - 40.0 * time)).sin()) as u8
    }));
    wav
}

fn noise(rng: &mut StdRng, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    rng.fill(&mut noise[..]);
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_file_is_where_it_is_said_to_be_and_the_files_are_the_same_each_time() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let paths = make(one.path(), WANTED.1).unwrap();
        make(two.path(), WANTED.1).unwrap();
        assert!(paths.iter().any(|path| path.file_name().unwrap() == WANTED.0));
        for path in paths {
            let bytes = std::fs::read(one.path().join(&path)).unwrap();
            assert_eq!(bytes, std::fs::read(two.path().join(&path)).unwrap());
        }
    }
}
