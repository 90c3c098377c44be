//! Completions in bash. The script hands over the line as it was typed, since bash has taken it apart at every colon;
//! what comes back is quoted as the word was begun, since bash inserts it as it is.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap_complete::engine;

use super::command;
use super::words::{Quote, Words, split};

/// The script, for bash 3.2 and later. No name is expanded on its way: each line of the answer is one.
pub const SCRIPT: &str = r#"_chord_cli() {
    local IFS= LC_ALL=C candidate
    COMPREPLY=()
    while read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(COMPLETE=bash "$1" -- "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _chord_cli chord-cli
"#;

/// Writes a candidate a line. `arguments` are the line up to the cursor, and the characters where bash breaks words.
pub fn answer(arguments: &[OsString], out: &mut Vec<u8>) -> io::Result<()> {
    let argument =
        |index: usize| arguments.get(index).map_or_else(Default::default, |text| text.to_string_lossy());
    let typed = split(&argument(0), &argument(1));
    let words: Vec<OsString> = typed.words.iter().map(OsString::from).collect();
    let (last, current_dir) = (words.len() - 1, std::env::current_dir().ok());
    let found = engine::complete(&mut command(typed.words.clone()), words, last, current_dir.as_deref())?;
    for candidate in found {
        if let Some(text) = candidate.get_value().to_str().and_then(|value| inserted(value, &typed)) {
            writeln!(out, "{text}")?;
        }
    }
    Ok(())
}

/// What stands on the line in place of what is being typed; none where that can't be said in these quotes.
fn inserted(value: &str, typed: &Words) -> Option<String> {
    let rest = value.strip_prefix(&typed.kept)?;
    if rest.contains('\n') {
        return None;
    }
    let plain = |character: char| {
        !character.is_ascii() || character.is_ascii_alphanumeric() || "_-./,+%".contains(character)
    };
    let (escaped, impossible): (&dyn Fn(char) -> bool, &[char]) = match typed.quote {
        Quote::None => (&|character| !plain(character), &[]),
        Quote::Single => (&|_| false, &['\'']),
        Quote::Double => (&|character| matches!(character, '\\' | '"' | '$' | '`'), &['!']),
    };
    if rest.contains(impossible) {
        return None;
    }
    let mut text = String::with_capacity(rest.len() + 8);
    for character in rest.chars() {
        if escaped(character) {
            text.push('\\');
        }
        text.push(character);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_the_word_was_begun() {
        for (line, value, expected) in [
            ("get an", "annual $(x).pdf", Some(r"annual\ \$\(x\).pdf")),
            ("get \"an", "annual $(x).pdf", Some(r"annual \$(x).pdf")),
            ("get 'an", "annual $(x).pdf", Some("annual $(x).pdf")),
            ("get 'it", "it's", None),
            ("get \"wow", "wow!", None),
            ("get a", "a'b\"c`;|&*?<>~#!{}[]", Some(r#"a\'b\"c\`\;\|\&\*\?\<\>\~\#\!\{\}\[\]"#)),
            ("get an'nu", "annual", Some("nual")),
            ("ls --of=p", "--of=p1", Some("p1")),
            ("get é", "été 🦀", Some(r"été\ 🦀")),
        ] {
            assert_eq!(inserted(value, &split(line, "=:")).as_deref(), expected, "{line}: {value}");
        }
    }
}
