//! What a network has to answer, computed from the shared directories and nothing else. Words are found here in a way of
//! its own, from the rules in `docs/search.md`, for names and queries of which those leave no doubt.

use std::collections::BTreeSet;
use std::path::Path;

use rand::SeedableRng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use unicode_normalization::UnicodeNormalization as _;

/// A name and the peer that shares a file of it.
pub type Held = (String, String);

/// A file in a shared directory.
#[derive(Debug, Clone)]
pub struct Known {
    /// The peer's name.
    pub holder: String,
    /// Below its directory, as it is on the disk.
    pub path: String,
    /// Its base name in composed form.
    pub name: String,
    /// In bytes.
    pub size: u64,
    words: BTreeSet<String>,
}

/// A condition of a [`Question`]; words are folded.
#[derive(Debug, Clone)]
enum Term {
    Word(String),
    Prefix(String),
    Without(String),
    Extension(String),
    MoreThan(u64),
    Holder(String),
}

/// A query and what it means.
#[derive(Debug, Clone)]
pub struct Question {
    /// As typed.
    pub text: String,
    terms: Vec<Term>,
}

/// The files below a peer's directory.
///
/// # Panics
/// Where the directory cannot be read.
pub fn walk(holder: &str, directory: &Path) -> Vec<Known> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let size = path.metadata().expect("metadata").len();
            let below =
                path.strip_prefix(directory).expect("it lies below").to_str().expect("UTF-8").to_owned();
            let name: String = below.rsplit('/').next().unwrap_or_default().nfc().collect();
            files.push(Known { holder: holder.into(), path: below, words: words(&name), name, size });
        }
    }
    files
}

impl Question {
    /// Whether the file is an answer.
    pub fn matches(&self, file: &Known) -> bool {
        self.terms.iter().all(|term| match term {
            Term::Word(word) => file.words.contains(word),
            Term::Prefix(prefix) => file.words.iter().any(|word| word.starts_with(prefix)),
            Term::Without(word) => !file.words.contains(word),
            Term::Extension(extension) => extension_of(&file.name).as_ref() == Some(extension),
            Term::MoreThan(bytes) => file.size > *bytes,
            Term::Holder(name) => file.holder == *name,
        })
    }

    /// All answers among these files.
    pub fn among<'a>(&self, files: impl IntoIterator<Item = &'a Known>) -> BTreeSet<Held> {
        let found = files.into_iter().filter(|file| self.matches(file));
        found.map(|file| (file.name.clone(), file.holder.clone())).collect()
    }
}

/// `count` queries of all kinds that at least one of these files answers, and none more than `most`.
pub fn questions(seed: u64, files: &[Known], count: usize, most: usize) -> Vec<Question> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut questions: Vec<Question> = Vec::new();
    for _ in 0..count * 50 {
        if questions.len() == count {
            break;
        }
        let file = files.choose(&mut random).expect("some files");
        let Some(question) = about(file, questions.len(), &mut random) else { continue };
        let answers = files.iter().filter(|file| question.matches(file)).take(most + 1).count();
        if (1..=most).contains(&answers) && questions.iter().all(|known| known.text != question.text) {
            questions.push(question);
        }
    }
    assert_eq!(questions.len(), count, "these files give no more queries");
    questions
}

/// A query of the kind of this number that this file answers; `None` where its name has too few words for that.
fn about(file: &Known, kind: usize, random: &mut ChaCha8Rng) -> Option<Question> {
    let mut words: Vec<String> = file.words.iter().filter(|word| is_certain(word)).cloned().collect();
    words.shuffle(random);
    let mut words = words.into_iter();
    let mut next = || words.next();
    let word = |word: &String| Term::Word(word.clone());
    let (text, terms) = match kind % 12 {
        0 => next().map(|a| (format!("\"{a}\""), vec![word(&a)]))?,
        1 => next().map(|a| (format!("{a} "), vec![word(&a)]))?,
        2 | 3 => {
            let a = next()?;
            let begin: String = a.chars().take(3 + kind % 3).collect();
            (begin.chars().count() >= 3).then(|| (begin.clone(), vec![Term::Prefix(begin)]))?
        }
        4 | 5 => {
            let (a, b) = (next()?, next()?);
            (format!("{a} {b}"), vec![word(&a), Term::Prefix(b)])
        }
        6 => {
            let (a, b, c) = (next()?, next()?, next()?);
            let typed = format!("{} {b} {c} ", a.to_uppercase());
            // Some letters have no capital that leads back to them.
            let a = if typed.to_lowercase().starts_with(&a) { a } else { return None };
            (typed, vec![word(&a), word(&b), word(&c)])
        }
        7 => {
            let (a, extension) = (next()?, extension_of(&file.name)?);
            (format!("*.{extension} {a} "), vec![Term::Extension(extension), word(&a)])
        }
        8 => {
            let (a, extension) = (next()?, extension_of(&file.name)?);
            (format!("{a} ext:{extension}"), vec![word(&a), Term::Extension(extension)])
        }
        9 => {
            let a = next()?;
            (
                format!("{a} size:>{}", file.size.checked_sub(1)?),
                vec![word(&a), Term::MoreThan(file.size - 1)],
            )
        }
        10 => next().map(|a| {
            (format!("{a} peer:{}", file.holder), vec![word(&a), Term::Holder(file.holder.clone())])
        })?,
        _ => {
            let a = next()?;
            let other = ["pdf", "jpg", "docx"].into_iter().find(|other| !file.words.contains(*other))?;
            (format!("{a} -{other} "), vec![word(&a), Term::Without(other.into())])
        }
    };
    Some(Question { text, terms })
}

/// Whether the rules leave no doubt of what this word, typed, means: of pairs of characters only one pair is typed.
fn is_certain(word: &str) -> bool {
    let length = word.chars().count();
    length >= 2 && word.chars().all(char::is_alphabetic) && (!word.chars().any(is_paired) || length == 2)
}

fn extension_of(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase())
}

/// The words of a name, folded.
fn words(name: &str) -> BTreeSet<String> {
    let name: Vec<char> = name.nfkc().collect();
    let mut words = BTreeSet::new();
    for run in name.split(|c| !is_word_character(*c)) {
        let digits_change = |a: &char, b: &char| a.is_numeric() == b.is_numeric();
        for piece in run.chunk_by(digits_change) {
            if piece.iter().any(|c| is_paired(*c)) && piece.len() > 1 {
                words.extend(piece.windows(2).map(fold));
                continue;
            }
            words.insert(fold(piece));
            words.extend(piece.chunk_by(|a, b| !(a.is_lowercase() && b.is_uppercase())).map(fold));
        }
    }
    words
}

fn fold(letters: &[char]) -> String {
    letters.iter().collect::<String>().to_lowercase().replace('ß', "ss").replace('ς', "σ")
}

fn is_word_character(c: char) -> bool {
    let punctuation = matches!(c, '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{206f}' | '\u{3000}'..='\u{303f}');
    c.is_alphanumeric() || !(c.is_ascii() || punctuation || c.is_whitespace() || c.is_control())
}

/// Han, Hiragana and Katakana.
fn is_paired(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64) -> Known {
        Known { holder: "p1".into(), path: name.into(), name: name.into(), size, words: words(name) }
    }

    #[test]
    fn names_have_the_words_that_the_rules_say() {
        let of = |name| words(name).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(of("Annual Report 2023 (final).pdf"), "2023 annual final pdf report");
        assert_eq!(of("IMG0042.jpg"), "0042 img jpg");
        assert_eq!(of("annualReport"), "annual annualreport report");
        assert_eq!(of("年度报告-2024.docx"), "2024 docx 年度 度报 报告");
        assert_eq!(of("Straße ΛΌΓΟΣ λόγος"), "strasse λόγοσ");
        assert_eq!(of("e\u{301}te\u{301}_x"), "x été");
        assert_eq!(of("a 🎉"), "a 🎉");
        assert_eq!(of("-()."), "");
    }

    #[test]
    fn queries_match_what_they_say() {
        let files = [file("Annual Report.pdf", 10), file("annual dinner.txt", 5)];
        let found = |terms: Vec<Term>| Question { text: String::new(), terms }.among(&files).len();
        let word = |word: &str| Term::Word(word.into());
        assert_eq!(found(vec![word("annual")]), 2);
        assert_eq!(found(vec![word("annual"), Term::Prefix("rep".into())]), 1);
        assert_eq!(found(vec![word("annual"), Term::Without("report".into())]), 1);
        assert_eq!(found(vec![Term::Extension("pdf".into())]), 1);
        assert_eq!(found(vec![Term::MoreThan(5)]), 1);
        assert_eq!(found(vec![Term::Holder("p2".into())]), 0);
    }

    #[test]
    fn questions_are_of_all_kinds_and_have_answers() {
        let files = crate::names::files(3, &crate::names::Words::builtin(), 0, 500);
        let base = |path: &str| path.rsplit('/').next().unwrap_or_default().nfc().collect::<String>();
        let files: Vec<Known> =
            files.iter().map(|made| file(&base(&made.path), made.bytes.len() as u64)).collect();
        let questions = questions(3, &files, 100, 200);
        for part in ["\"", "ext:", "size:>", "peer:", " -", "*."] {
            assert!(questions.iter().any(|question| question.text.contains(part)), "{part} in {questions:?}");
        }
        assert!(questions.iter().any(|question| !question.text.is_ascii()));
        assert!(questions.iter().all(|question| !question.among(&files).is_empty()));
    }
}
