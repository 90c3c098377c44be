//! How long finding takes in a network full of names.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::ensure;
use chordial_benches::measure::{IN_FLIGHT, Latencies};
use chordial_benches::names::{self, Random};
use chordial_benches::network::Network;
use chordial_benches::table::{header, number, row};
use chordial_proto::chord_v1::index_service_client::IndexServiceClient;
use chordial_proto::chord_v1::{FindRequest, SearchRequest, SearchResponse};
use tonic::transport::Channel;

use crate::publish::Kind;
use crate::{NAMES, PEERS, SEED};

/// Names in the network.
const FULL: usize = 2 * NAMES;
/// Questions of each kind, one after another; then as many with [`IN_FLIGHT`] under way.
const QUESTIONS: usize = 1_000;

pub async fn run() -> anyhow::Result<()> {
    let names = names::generate(FULL, SEED);
    let network = Network::start(PEERS).await?;
    let started = Instant::now();
    network.publish(Kind::Words.files(&names, PEERS)).await?;
    let took = started.elapsed();
    // What keepers settle among themselves behind it is not of a full network at rest.
    tokio::time::sleep(network.handles[0].config().renewal()).await;
    let channels = (0..PEERS).map(|peer| network.channel(peer)).collect::<anyhow::Result<Vec<_>>>()?;
    println!(
        "**Search** among {} names, published in {:.1} s; each question to one peer after another\n",
        number(FULL as f64),
        took.as_secs_f64()
    );
    header(&["what", "p50 ms", "p95 ms", "p99 ms", "per s", "names that match", "complete", "target p95"]);

    let exact = Latencies::take(QUESTIONS, async |at| {
        let name = &names[at * 7919 % names.len()];
        let found = index(&channels, at).find(FindRequest { name: name.clone() }).await?.into_inner();
        ensure!(found.total == 1, "{name:?} is found {} times", found.total);
        Ok(())
    });
    print("exact name", &exact.await?, ["1".into(), "100 %".into()], "≤ 2 ms");
    for (what, queries) in Queries::new(&names).kinds() {
        let (mut total, mut complete) = (0, 0);
        // First, what comes back.
        for (at, query) in queries.iter().enumerate().take(100) {
            let answer = ask(&channels, at, query).await?;
            ensure!(!answer.hits.is_empty(), "nothing matches {query:?}, of which names were made");
            total += answer.total;
            complete += usize::from(answer.complete);
        }
        let asked = queries.len().min(100);
        let found = Latencies::take(QUESTIONS, async |at| {
            ask(&channels, at, &queries[at % queries.len()]).await.map(drop)
        });
        let found = found.await?;
        let matches = [number(total as f64 / asked as f64), format!("{} %", 100 * complete / asked)];
        print(what, &found, matches, "≤ 10 ms");
    }
    println!(
        "\n*Per s*: with {IN_FLIGHT} questions under way. 20 names on a page; words drawn from the names' own."
    );
    network.stop();
    Ok(())
}

fn print(what: &str, sample: &Latencies, [matches, complete]: [String; 2], target: &str) {
    let ms = |part| format!("{:.2}", sample.at(part).as_secs_f64() * 1e3);
    let [half, most, nearly_all] = [0.5, 0.95, 0.99].map(ms);
    row(&[what.into(), half, most, nearly_all, number(sample.per_second), matches, complete, target.into()]);
}

fn index(channels: &[Channel], at: usize) -> IndexServiceClient<Channel> {
    IndexServiceClient::new(channels[at % channels.len()].clone()).max_decoding_message_size(64 << 20)
}

async fn ask(channels: &[Channel], at: usize, query: &str) -> anyhow::Result<SearchResponse> {
    let request = SearchRequest { query: query.to_owned(), limit: 20, cursor: String::new() };
    Ok(index(channels, at).search(request).await?.into_inner())
}

/// Words of names, by how many names have them.
struct Queries<'a> {
    names: Vec<Vec<&'a str>>,
    often: HashMap<&'a str, usize>,
    random: Random,
}

impl<'a> Queries<'a> {
    fn new(names: &'a [String]) -> Queries<'a> {
        // Only where the words are told apart by more than a change of case, which is another's work.
        let split = |name: &'a String| -> Vec<&'a str> {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let words = stem.split(['_', ' ', '-', '.']).filter(|word| word.len() >= 3);
            let plain = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase());
            let mut words: Vec<&str> = words.filter(plain).collect();
            words.sort_unstable();
            words.dedup();
            words
        };
        let names: Vec<Vec<&str>> = names.iter().map(split).collect();
        let mut often = HashMap::new();
        names.iter().flatten().for_each(|word| *often.entry(*word).or_default() += 1);
        Queries { names, often, random: Random(SEED) }
    }

    fn kinds(mut self) -> Vec<(&'static str, Vec<String>)> {
        let (rare, middling, hot) = (1..=20, 100..=1_000, 1_001..=usize::MAX);
        vec![
            ("1 rare word (≤ 20 names)", self.draw(&[rare.clone()])),
            ("1 middling word (100–1,000)", self.draw(&[middling.clone()])),
            ("1 hot word (> 1,000)", self.draw(&[hot.clone()])),
            ("2 words, rare and hot", self.draw(&[rare.clone(), hot.clone()])),
            ("2 words, both middling", self.draw(&[middling.clone(), middling.clone()])),
            ("2 words, both hot", self.draw(&[hot.clone(), hot.clone()])),
            ("3 words, rare, middling, hot", self.draw(&[rare, middling.clone(), hot.clone()])),
            ("3 words, middling and hot", self.draw(&[middling.clone(), hot.clone(), hot])),
            ("beginning of a middling word", self.beginnings(&middling)),
        ]
    }

    /// Words that often, of one name each time; ended by a space, since the last word would be a beginning else.
    fn draw(&mut self, wanted: &[std::ops::RangeInclusive<usize>]) -> Vec<String> {
        let mut queries = Vec::new();
        for _ in 0..QUESTIONS * 1_000 {
            let name = &self.names[self.random.below(self.names.len())];
            let mut words: Vec<&str> = Vec::new();
            for often in wanted {
                let fits = |word: &&&str| often.contains(&self.often[**word]) && !words.contains(*word);
                words.extend(name.iter().find(fits));
            }
            if words.len() == wanted.len() {
                queries.push(words.join(" ") + " ");
            }
            if queries.len() == QUESTIONS {
                break;
            }
        }
        queries
    }

    fn beginnings(&mut self, often: &std::ops::RangeInclusive<usize>) -> Vec<String> {
        let words = self.draw(std::slice::from_ref(often));
        words.iter().map(|word| word.chars().take(4).filter(|c| *c != ' ').collect()).collect()
    }
}
