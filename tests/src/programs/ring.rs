//! Whether peers stand in one exact ring, by what each of them says of its own neighbours.

use serde_json::Value;

/// The length of a successor list by default (`chord.successors`).
const SUCCESSORS: usize = 8;

/// What is wrong with the ring of peers whose `GET /api/v1/node` these are: every one of them has to be a member that
/// names the one before it and its next eight, or all others where there are fewer, in the order of identifiers.
///
/// # Errors
/// The first peer that names others, and how many do.
pub fn exact(nodes: &[Value]) -> Result<(), String> {
    let mut ring: Vec<(&str, &Value)> =
        nodes.iter().map(|node| (node["id"].as_str().unwrap_or_default(), node)).collect();
    ring.sort_unstable_by_key(|(id, _)| *id);
    let count = ring.len();
    let name = |place: usize| ring[place % count].1["name"].as_str().unwrap_or_default();
    let wrong: Vec<String> = (0..count)
        .filter_map(|place| {
            let (id, node) = ring[place];
            let ahead = SUCCESSORS.min(count - 1);
            let is = |peer: &Value, place: usize| peer["id"] == ring[place % count].0;
            let successors = node["successors"].as_array().map(Vec::as_slice).unwrap_or_default();
            let as_they_should = node["state"] == "member"
                && successors.len() == ahead
                && successors.iter().zip(place + 1..).all(|(peer, place)| is(peer, place))
                && match count {
                    1 => node["predecessor"].is_null(),
                    _ => is(&node["predecessor"], place + count - 1),
                };
            let names: Vec<&str> = successors.iter().filter_map(|peer| peer["name"].as_str()).collect();
            let expected: Vec<&str> = (1..=ahead).map(|next| name(place + next)).collect();
            (!as_they_should).then(|| {
                format!(
                    "{} ({id}, {}) names {} before it and {names:?} behind it, not {} and {expected:?}",
                    name(place),
                    node["state"],
                    node["predecessor"]["name"],
                    name(place + count - 1),
                )
            })
        })
        .collect();
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} of {count} peers; {first}", wrong.len())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Members at these identifiers, each of which names its neighbours.
    fn ring(ids: &[&str]) -> Vec<Value> {
        let peer = |place: usize| json!({ "id": ids[place % ids.len()], "name": "p" });
        let node = |place: usize| {
            let ahead: Vec<Value> =
                (1..=SUCCESSORS.min(ids.len() - 1)).map(|next| peer(place + next)).collect();
            let before = if ids.len() > 1 { peer(place + ids.len() - 1) } else { Value::Null };
            json!({ "id": ids[place], "name": "p", "state": "member", "predecessor": before, "successors": ahead })
        };
        (0..ids.len()).map(node).collect()
    }

    #[test]
    fn rings_of_any_size_are_exact() {
        assert_eq!(exact(&ring(&["a"])), Ok(()));
        assert_eq!(exact(&ring(&["a", "b"])), Ok(()));
        let mut twelve = ring(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]);
        twelve.reverse();
        assert_eq!(exact(&twelve), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let good = ring(&["a", "b", "c"]);
        let change = |key: &str, value: Value| {
            let mut nodes = good.clone();
            nodes[1][key] = value;
            exact(&nodes).unwrap_err()
        };
        assert!(change("state", json!("joining")).contains("joining"));
        change("predecessor", Value::Null);
        change("predecessor", json!({ "id": "c" }));
        change("successors", json!([{ "id": "c" }]));
        change("successors", json!([{ "id": "a" }, { "id": "c" }]));
        // Two rings, each exact.
        let apart = [ring(&["a", "c"]), ring(&["b", "d"])].concat();
        assert!(exact(&apart).unwrap_err().starts_with("4 of 4"));
    }
}
