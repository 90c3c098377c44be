//! Files with the kinds of names that people have: photos, tracks, papers, in several languages and scripts. The same
//! seed makes the same files.

use std::collections::BTreeSet;
use std::path::Path;

use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use unicode_normalization::UnicodeNormalization as _;

/// Words, a list for each language. Each list has at least three.
#[derive(Debug, Clone)]
pub struct Words {
    /// Written with capitals; their names are also set in camel case.
    cased: Vec<Vec<String>>,
    /// Of scripts without capitals.
    caseless: Vec<Vec<String>>,
}

/// A file that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Below the shared directory.
    pub path: String,
    /// Its content: a few bytes.
    pub bytes: Vec<u8>,
}

const LATIN: &str = "annual report invoice holiday summer concert lecture garden recipe budget meeting letter \
    journey weather kitchen ticket mountain river window paper orchestra travel diary notes birthday wedding project \
    design archive summary contract history music picture science library";
const GERMAN: &str = "Träume Straße Überblick Größe Frühling Bücher Rechnung Urlaub Märchen Küche Gespräch Prüfung \
    Übung Zeugnis Ausflug Fußball Wörter Schlüssel";
const FRENCH: &str =
    "été élève crème façade naïve forêt château déjà leçon théâtre garçon Noël œuvre fenêtre";
const VIETNAMESE: &str = "tiếng Việt đường phở người sách nhạc ảnh giấy trường";
const GREEK: &str = "Αθήνα μουσική βιβλίο λόγος καλοκαίρι θάλασσα οικογένεια γράμμα δρόμος έκθεση";
const CYRILLIC: &str =
    "отчёт музыка книга фотография договор письмо лето Москва йогурт звіт пісня їжа календар";
const HEBREW: &str = "שלום ספר תמונה מוזיקה מכתב דוח משפחה חופשה";
const ARABIC: &str = "تقرير كتاب صورة موسيقى رسالة عائلة مدرسة فاتورة";
const CHINESE: &str = "年度报告 会议记录 家庭照片 旅行计划 音乐 合同 发票 毕业论文";
const JAPANESE: &str = "東京タワー さくら 写真アルバム カタカナ 旅行の記録 ありがとう おんがく 請求書";
const KOREAN: &str = "보고서 음악 사진 여행 가족 회의록 계약서";
const HINDI: &str = "संगीत पुस्तक रिपोर्ट परिवार यात्रा हिन्दी";
const EMOJI: &[&str] = &["🏖", "🎉", "🦀", "👩‍👩‍👧", "❤️", "🇪🇺", "🎵"];

/// With the share of each in a hundred; photos have theirs from their shape.
const EXTENSIONS: &[(&str, u32)] = &[
    ("pdf", 27),
    ("mp3", 22),
    ("jpg", 13),
    ("docx", 9),
    ("txt", 8),
    ("png", 6),
    ("mp4", 5),
    ("flac", 3),
    ("xlsx", 3),
    ("epub", 2),
    ("zip", 1),
    ("PDF", 1),
];
const FOLDERS: &[&str] =
    &["Photos/2023", "Music/Various Artists", "Documents", "Книги", "写真/旅行", "a/b/c/d"];
/// Of a hundred files, so many have a name that others may have, too; every other one of those also its bytes.
const SHARED: u32 = 4;

impl Words {
    /// Some words of a dozen languages, without any file.
    pub fn builtin() -> Words {
        Words {
            cased: [LATIN, GERMAN, FRENCH, VIETNAMESE, GREEK, CYRILLIC].map(split).into(),
            ..Words::caseless()
        }
    }

    /// The words of these lists, one word a line, instead of the built-in ones of languages with capitals.
    ///
    /// # Errors
    /// The list that is missing or useless, and what brings it.
    pub fn of_lists(lists: &[&Path]) -> Result<Words, String> {
        let read = |path: &&Path| {
            let help = "; `.ci/word-lists` installs what is needed";
            let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}{help}", path.display()))?;
            let words: Vec<String> = text.lines().filter(|word| is_plain(word)).map(str::to_owned).collect();
            let enough = words.len() >= 1000;
            enough.then_some(words).ok_or_else(|| format!("{}: too few words{help}", path.display()))
        };
        Ok(Words { cased: lists.iter().map(read).collect::<Result<_, String>>()?, ..Words::caseless() })
    }

    fn caseless() -> Words {
        let caseless = [HEBREW, ARABIC, CHINESE, JAPANESE, KOREAN, HINDI].map(split).into();
        Words { cased: Vec::new(), caseless }
    }
}

fn split(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

/// Words that are letters only, with no capitals behind the first letter, and of some length.
fn is_plain(word: &str) -> bool {
    (3..=16).contains(&word.chars().count())
        && word.chars().all(char::is_alphabetic)
        && !word.chars().skip(1).any(char::is_uppercase)
}

/// `count` files for the peer of this number. No two of them have paths that a file system could take for the same.
pub fn files(seed: u64, words: &Words, peer: usize, count: usize) -> Vec<File> {
    let mut own = ChaCha8Rng::seed_from_u64(seed ^ ((peer as u64 + 1) << 32));
    let mut taken = BTreeSet::new();
    let mut files = Vec::with_capacity(count);
    for number in 0.. {
        if files.len() == count {
            break;
        }
        let shared = own.random_ratio(SHARED, 100);
        let (path, bytes) = if shared {
            // The same few names for all peers.
            let which = own.random_range(0..200_u64);
            let mut all = ChaCha8Rng::seed_from_u64(seed.wrapping_add(which));
            let path = name(&mut all, words);
            let bytes = if which % 2 == 0 { "the same for all".into() } else { format!("{peer} {number}") };
            (path, bytes)
        } else {
            let name = name(&mut own, words);
            let bytes = format!("{peer} {number} {}", "x".repeat(own.random_range(0..200)));
            match own.random_ratio(2, 5) {
                true => (format!("{}/{name}", FOLDERS.choose(&mut own).expect("some")), bytes),
                false => (name, bytes),
            }
        };
        if taken.insert(path.nfc().collect::<String>().to_lowercase()) {
            files.push(File { path, bytes: bytes.into() });
        }
    }
    files
}

/// A name of one of the usual shapes.
fn name(random: &mut ChaCha8Rng, words: &Words) -> String {
    let day = format!(
        "{}{:02}{:02}",
        random.random_range(2009..2025),
        random.random_range(1..13),
        random.random_range(1..29)
    );
    let time = format!("{:06}", random.random_range(0..240_000));
    match random.random_range(0..100) {
        0..14 => return format!("IMG_{day}_{time}.jpg"),
        14..17 => return format!("DSC{:05}.JPG", random.random_range(0..100_000)),
        17..19 => return format!("{}.{}", symbols(random), extension(random)),
        _ => {}
    }
    let cased = random.random_ratio(4, 5);
    let language = if cased { &words.cased } else { &words.caseless };
    let list = language.choose(random).expect("a language");
    let count = random.random_range(1..5);
    let mut chosen: Vec<String> = (0..count).map(|_| list.choose(random).expect("a word").clone()).collect();
    let number = random.random_range(1..2026);
    let stem = match random.random_range(0..10) {
        0 => format!("{} {number} (final)", capitals(&chosen).join(" ")),
        1 => format!("{:02} - {}", number % 30, capitals(&chosen).join(" ")),
        2 => format!("{}-{number}", chosen.join("-")),
        3 => chosen.join("_"),
        4 => format!("{}.v{}", chosen.join("."), number % 10),
        // A word of one letter would hide where the case changes.
        5 if cased && chosen.iter().all(|word| word.chars().count() > 2) => capitals(&chosen).concat(),
        6 => format!("{} {}", chosen.join(" "), EMOJI.choose(random).expect("some")),
        7 => format!("[{day}] {}", chosen.join(", ")),
        8 => chosen.join(" ").to_uppercase(),
        _ => {
            chosen.push(format!("({number})"));
            chosen.join(" ")
        }
    };
    // As macOS once wrote them: letters and their marks apart.
    let stem = if random.random_ratio(1, 6) { stem.nfd().collect() } else { stem };
    format!("{stem}.{}", extension(random))
}

fn extension(random: &mut impl Rng) -> &'static str {
    EXTENSIONS.choose_weighted(random, |(_, share)| *share).expect("weights").0
}

fn symbols(random: &mut impl Rng) -> String {
    (0..random.random_range(1..12))
        .map(|_| *b"!#$%&'()+,-;=@[]^_`{}~".choose(random).expect("some") as char)
        .collect()
}

fn capitals(words: &[String]) -> Vec<String> {
    let capital = |word: &String| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
    };
    words.iter().map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_files() {
        let words = Words::builtin();
        let all = files(7, &words, 0, 2000);
        assert_eq!(all, files(7, &words, 0, 2000));
        assert_ne!(all, files(8, &words, 0, 2000));
        assert_ne!(all, files(7, &words, 1, 2000));
    }

    #[test]
    fn names_are_of_all_kinds_and_fit_file_systems() {
        let words = Words::builtin();
        let all = [files(7, &words, 0, 2000), files(7, &words, 1, 2000)];
        let has = |what: &dyn Fn(&str) -> bool| all[0].iter().filter(|file| what(&file.path)).count() > 5;
        assert!(has(&|path| path.starts_with("IMG_20")) && has(&|path| path.contains('/')));
        assert!(has(&|path| path.contains('\u{308}')) && has(&|path| path.contains('ü')), "both forms");
        assert!(
            has(&|path| path.contains('ש'))
                && has(&|path| path.contains('报'))
                && has(&|path| path.contains('🎉'))
        );
        let camel = |path: &str| {
            path.chars().zip(path.chars().skip(1)).any(|(a, b)| a.is_lowercase() && b.is_uppercase())
        };
        assert!(has(&camel));
        assert!(has(&|path| path.ends_with(".pdf")) && has(&|path| path.ends_with(".mp3")));
        assert!(all.iter().flatten().all(|file| file.path.len() < 400 && !file.path.contains("//")));
        let paths: BTreeSet<&str> = all[0].iter().map(|file| &*file.path).collect();
        let common: Vec<&File> = all[1].iter().filter(|file| paths.contains(&*file.path)).collect();
        assert!(common.len() > 10, "{} names of both", common.len());
        assert!(common.iter().any(|file| all[0].contains(file)), "some with the same bytes");
        assert!(common.iter().any(|file| !all[0].contains(file)), "some with others");
    }

    #[test]
    fn a_missing_list_says_what_brings_it() {
        let why = Words::of_lists(&[Path::new("/nowhere/words")]).unwrap_err();
        assert!(why.contains("/nowhere/words") && why.contains(".ci/word-lists"), "{why}");
    }
}
