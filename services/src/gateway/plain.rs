//! `GET /text`: the dashboard without scripts, made by the gateway: the peers, the files, and forms for searches and
//! for who holds a file.

use std::fmt::Write as _;
use std::time::Duration;

use chord_client::views::{FileView, FilesPage, LookupView, NamedFile, RingView, SearchPage, SourceView};
use chordial_proto::chord_v1::find_successor_request::Target;
use chordial_proto::chord_v1::{ListNamesRequest, SearchRequest};
use warp::reply::Response;

use super::page::{HTML, as_page, escaped};
use super::problem::Problem;
use super::request::Query;
use super::{Gateway, files, reply};

/// How long the page waits for the ring.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many names it lists.
const NAMES: u32 = 50;

const LINKS: &[(&str, &str)] = &[
    ("api/v1/ring", "all peers of the ring"),
    ("api/v1/node", "this peer"),
    ("api/v1/files", "all files of the network"),
    ("api/v1/catalog", "the files that this peer shares"),
    ("api/v1/published", "how far they are published"),
    ("openapi.json", "all of the interface, for programs"),
    ("metrics", "metrics"),
    ("version", "version"),
];

/// The dashboard in text alone
///
/// For people whose browser runs no scripts: peers, files, and forms. It comes even where the ring does not answer.
#[utoipa::path(get, path = "/text", operation_id = "getText", tag = "operation",
    params(
        ("q" = Option<String>, Query, description = "Names that match this query are searched for."),
        ("name" = Option<String>, Query, description = "Who holds the file of this name is asked."),
        ("lookup" = Option<String>, Query, description = "Which peer is responsible for this name is looked up."),
    ),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")))]
pub async fn get(gateway: &Gateway, query: &Query) -> Result<Response, Problem> {
    let ring = async {
        match tokio::time::timeout(PATIENCE, gateway.upstream.ring()).await {
            Ok(Ok(ring)) => peers(&RingView::from(ring)),
            Ok(Err(problem)) => paragraph(problem.detail()),
            Err(_) => paragraph("The ring did not answer in time. Load this page again."),
        }
    };
    let (ring, answer) = tokio::join!(ring, answer(gateway, query));
    let answer = answer.unwrap_or_else(|problem| paragraph(problem.detail()));
    let name = escaped(&gateway.peer_name);
    let forms: String = [
        ("q", "Search", "Words of a file’s name", "Search"),
        ("name", "Who holds a file", "Who holds the file of this exact name", "Ask"),
        ("lookup", "Lookup", "Which peer is responsible for a file name", "Look up"),
    ]
    .map(|(key, title, label, button)| form(key, title, label, button, query.get(key).unwrap_or_default()))
    .concat();
    let links: String = LINKS
        .iter()
        .map(|(path, what)| format!("<li><a href=\"{path}\">/{path}</a>: {what}</li>\n"))
        .collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name} · Chordial, in text</title>\n\
         <link rel=\"icon\" href=\"assets/icon.svg\">\n<link rel=\"stylesheet\" href=\"assets/style.css\">\n\
         </head>\n<body class=\"text\">\n\
         <header><h1>{name}</h1>\n<p>A peer of a Chordial network, in text alone. \
         <a href=\"./\">The drawn ring</a> needs a browser that runs scripts.</p></header>\n\
         <main>\n{forms}{answer}\n<section aria-labelledby=\"peers\">\n<h2 id=\"peers\">Peers</h2>\n{ring}</section>\n\
         <section aria-labelledby=\"rest\">\n<h2 id=\"rest\">For programs</h2>\n<ul>\n{links}</ul>\n</section>\n\
         </main>\n</body>\n</html>\n"
    );
    Ok(as_page(reply::text(HTML, page)))
}

/// What the forms ask for: that of the first one that was used, else all files.
async fn answer(gateway: &Gateway, query: &Query) -> Result<String, Problem> {
    if let Some(text) = query.get("q") {
        let request = SearchRequest { query: text.to_owned(), limit: NAMES, cursor: String::new() };
        return Ok(hits(&SearchPage::new(text, gateway.upstream.search(request).await?)));
    }
    if let Some(name) = query.get("name") {
        return Ok(holders(&FileView::from(files::find(gateway, name.to_owned()).await?)));
    }
    if let Some(name) = query.get("lookup") {
        let target = Target::Name(name.to_owned());
        return Ok(way(&LookupView::from(gateway.upstream.find_successor(target).await?), name));
    }
    let request = ListNamesRequest { limit: NAMES, cursor: String::new() };
    Ok(all(&FilesPage::from(gateway.upstream.list_names(request).await?)))
}

fn form(key: &str, title: &str, label: &str, button: &str, value: &str) -> String {
    format!(
        "<form action=\"text\" method=\"get\" role=\"search\" aria-label=\"{title}\">\n<label for=\"{key}\">{label}</label>\n\
         <input id=\"{key}\" name=\"{key}\" value=\"{}\" required>\n<button>{button}</button>\n</form>\n",
        escaped(value)
    )
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

/// A section with this title, a sentence and a table.
fn section(title: &str, text: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    format!(
        "<section aria-labelledby=\"answer\">\n<h2 id=\"answer\">{}</h2>\n{}{}</section>\n",
        escaped(title),
        paragraph(text),
        table(heads, rows)
    )
}

/// The cells are markup already.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table\"><table>\n<tr>",
    );
    for head in heads {
        // A String takes everything.
        let _ = write!(table, "<th scope=\"col\">{head}</th>");
    }
    table.push_str("</tr>\n");
    for row in rows {
        let _ = writeln!(table, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    table.push_str("</table></div>\n");
    table
}

fn peers(ring: &RingView) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let rows: Vec<Vec<String>> = ring
        .peers
        .iter()
        .map(|peer| {
            let name = match &peer.gateway {
                Some(gateway) => link(&format!("{gateway}/text"), &peer.name),
                None => escaped(&peer.name),
            };
            vec![
                name,
                escaped(&peer.state),
                format!("{:.1} %", peer.share * 100.0),
                or_none(peer.shared_files.map(|files| files.to_string())),
                escaped(&peer.chord),
                format!("<code>{}</code>", escaped(&peer.id)),
            ]
        })
        .collect();
    let state = match ring.agreed {
        true => "All views of the ring agree.".to_owned(),
        false => "The peers’ views of the ring do not all agree.".to_owned(),
    };
    let count = format!("Peers in the ring, as seen from here: {}. {state}", ring.peers.len());
    let problems: String = ring
        .problems
        .iter()
        .map(|problem| paragraph(&format!("{}: {}; {}", problem.peer, problem.what, problem.remedy)))
        .collect();
    let heads = ["Name", "State", "Share", "Files", "Address", "Identifier"];
    format!("{}{problems}{}", paragraph(&count), table(&heads, &rows))
}

/// A link to `url`, where that is one of HTTP.
fn link(url: &str, text: &str) -> String {
    match url.starts_with("http://") || url.starts_with("https://") {
        true => format!("<a href=\"{}\">{}</a>", escaped(url), escaped(text)),
        false => escaped(text),
    }
}

fn sources(sources: &[SourceView]) -> String {
    let one = |source: &SourceView| {
        let alive = if source.alive { "" } else { " (does not answer)" };
        format!("{}{alive}", link(&source.url, &source.peer))
    };
    sources.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn names(files: &[NamedFile]) -> Vec<Vec<String>> {
    let row = |file: &NamedFile| {
        let size = file.sources.first().map(|source| format!("{} B", source.size)).unwrap_or_default();
        vec![escaped(&file.name), size, sources(&file.sources)]
    };
    files.iter().map(row).collect()
}

const FILE_HEADS: [&str; 3] = ["Name", "Size", "Download from"];

fn hits(page: &SearchPage) -> String {
    let complete = match (page.complete, page.silent.is_empty()) {
        (true, _) => {
            format!("Complete: all peers that were asked answered, {} of {}.", page.answered, page.asked)
        }
        (false, true) => "There may be more: a word’s list is too long to be kept whole.".to_owned(),
        (false, false) => format!("There may be more: {} did not answer.", page.silent.join(", ")),
    };
    let shown = match page.hits.len() as u64 {
        shown if shown < page.total => format!(" These are the first {shown}."),
        _ => String::new(),
    };
    let title = format!("Names that match {}: {}", page.query, page.total);
    section(&title, &format!("{complete}{shown}"), &FILE_HEADS, &names(&page.hits))
}

fn all(page: &FilesPage) -> String {
    let more = if page.next.is_some() { "There are more; search for one." } else { "These are all." };
    section("Files of the network", more, &FILE_HEADS, &names(&page.files))
}

fn holders(file: &FileView) -> String {
    let rows: Vec<Vec<String>> = file
        .sources
        .iter()
        .map(|source| {
            let state = if source.alive { "alive" } else { "does not answer" };
            vec![
                link(&source.url, &source.peer),
                state.to_owned(),
                format!("{} B", source.size),
                escaped(&source.modified),
                format!("<code>{}</code>", escaped(source.digest.as_deref().unwrap_or("not computed yet"))),
            ]
        })
        .collect();
    let complete = match file.complete {
        true => "All peers that should know answered.",
        false => "There may be more: some peer that should know did not answer.",
    };
    let text = format!("Its key is {}. {complete}", file.key);
    let heads = ["Download from", "State", "Size", "Changed", "Digest"];
    section(&format!("Who holds {}", file.name), &text, &heads, &rows)
}

/// A lookup of `name`, hop by hop.
fn way(found: &LookupView, name: &str) -> String {
    let route = &found.route;
    let rows: Vec<Vec<String>> = route
        .path
        .iter()
        .enumerate()
        .map(|(hop, at)| {
            let took = if hop == 0 { "–".to_owned() } else { format!("{} µs", at.elapsed_us) };
            vec![hop.to_string(), escaped(&at.peer), took, escaped(&at.reason)]
        })
        .collect();
    let keepers: Vec<&str> = found.keepers.iter().map(|peer| peer.name.as_str()).collect();
    let text = format!(
        "Its key, the SHA-1 of the name, is {}. {} is responsible: its arc reaches from behind {} to {}. Kept by {}. \
         Hops: {}; {} µs.",
        found.key,
        found.successor.name,
        found.arc.from,
        found.arc.to,
        keepers.join(", "),
        route.route.hops,
        route.route.elapsed_us
    );
    section(&format!("Who is responsible for {name}"), &text, &["Hop", "Peer", "Answered in", "Why"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_http_become_links() {
        assert_eq!(link("http://h:1/<", "a&b"), "<a href=\"http://h:1/&lt;\">a&amp;b</a>");
        assert_eq!(link("javascript:alert(1)", "<a>"), "&lt;a&gt;");
    }
}
