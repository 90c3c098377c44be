//! W3C Trace Context: the trace that a caller says a request belongs to is named in the log, and handed on to the
//! peer's own services.

use std::future::Future;

use http::{HeaderMap, HeaderName};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// A `tracestate` longer than this, in bytes, is dropped; so much every program has to pass on.
const MAX_STATE: usize = 512;
/// The flags that are known: sampled, and that the identifier is random.
const FLAGS: u8 = 0b11;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    flags: u8,
    state: Option<String>,
}

impl TraceContext {
    /// The caller's trace; a new one, which nobody samples, where it names none or no valid one.
    pub fn of(headers: &HeaderMap) -> Self {
        match one(headers, TRACEPARENT).and_then(parse) {
            Some((trace, flags)) => Self { trace, flags, state: state(headers) },
            None => Self { trace: rand::random::<u128>().max(1), flags: 0, state: None },
        }
    }

    /// The trace's identifier: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    /// Calls made while `work` runs belong to this trace.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    fn write(&self, metadata: &mut MetadataMap) {
        let parent = rand::random::<u64>().max(1);
        if let Ok(value) = format!("00-{}-{parent:016x}-{:02x}", self.id(), self.flags).parse() {
            metadata.insert(TRACEPARENT, value);
        }
        if let Some(state) = self.state.as_ref().and_then(|state| state.parse().ok()) {
            metadata.insert(TRACESTATE, state);
        }
    }
}

/// `work`, for a task of its own, in the trace of this one.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let current = CURRENT.try_with(TraceContext::clone).ok();
    async move {
        match current {
            Some(current) => current.scope(work).await,
            None => work.await,
        }
    }
}

/// The metadata of a call that belongs to the current trace, by a parent identifier of its own.
pub fn metadata() -> MetadataMap {
    let mut metadata = MetadataMap::new();
    let _ = CURRENT.try_with(|current| current.write(&mut metadata));
    metadata
}

/// The interceptor that adds [`metadata`] to a call.
///
/// # Errors
/// None.
pub fn pass_on(mut request: Request<()>) -> Result<Request<()>, Status> {
    let _ = CURRENT.try_with(|current| current.write(request.metadata_mut()));
    Ok(request)
}

/// The trace's identifier where the headers of a call have one, as a service's log names it.
pub fn named(headers: &HeaderMap) -> Option<String> {
    one(headers, TRACEPARENT).and_then(parse).map(|(trace, _)| format!("{trace:032x}"))
}

/// The one field of this name.
fn one<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let mut fields = headers.get_all(HeaderName::from_static(name)).iter();
    fields.next().filter(|_| fields.next().is_none())?.to_str().ok()
}

/// `version-trace-parent-flags` with lower-case hexadecimal digits; later versions may have more at the end.
fn parse(text: &str) -> Option<(u128, u8)> {
    let mut parts = text.split('-');
    let mut hex = |length| {
        let part = parts.next()?;
        let digits = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (part.len() == length && digits).then_some(part)
    };
    let (version, trace, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let trace = u128::from_str_radix(trace, 16).ok()?;
    let parent = u64::from_str_radix(parent, 16).ok()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    let ends = version != "00" || parts.next().is_none();
    (version != "ff" && trace != 0 && parent != 0 && ends).then_some((trace, flags & FLAGS))
}

/// All fields together, where they are short enough.
fn state(headers: &HeaderMap) -> Option<String> {
    let fields: Result<Vec<&str>, _> =
        headers.get_all(TRACESTATE).iter().map(|field| field.to_str()).collect();
    let state = fields.ok()?.join(",");
    (!state.trim().is_empty() && state.len() <= MAX_STATE).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn of(parents: &[&str], states: &[&str]) -> TraceContext {
        let mut headers = HeaderMap::new();
        for (name, fields) in [(TRACEPARENT, parents), (TRACESTATE, states)] {
            for field in fields {
                headers.append(name, field.parse().unwrap());
            }
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn a_valid_trace_is_taken_over_and_any_other_replaced() {
        for (parent, flags) in [
            (format!("00-{TRACE}-{PARENT}-01"), 1),
            (format!("00-{TRACE}-{PARENT}-00"), 0),
            (format!("00-{TRACE}-{PARENT}-ff"), 3),
            (format!("cc-{TRACE}-{PARENT}-01-what-else"), 1),
        ] {
            let context = of(&[&parent], &["a=1", "b=2"]);
            assert_eq!((context.id().as_str(), context.flags), (TRACE, flags), "{parent}");
            assert_eq!(context.state.as_deref(), Some("a=1,b=2"));
        }
        let zeros = "0".repeat(32);
        for parent in [
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-+1"),
            format!("0-{TRACE}-{PARENT}-01"),
            String::new(),
        ] {
            let context = of(&[&parent], &["a=1"]);
            assert!(context.id() != TRACE && context.trace != 0, "{parent}");
            assert_eq!((context.flags, context.state), (0, None));
        }
        let valid = format!("00-{TRACE}-{PARENT}-01");
        assert_ne!(of(&[&valid, &valid], &[]).id(), TRACE, "two parents");
        assert_eq!(of(&[&valid], &[&"x".repeat(513)]).state, None);
    }

    #[tokio::test]
    async fn each_call_has_a_parent_of_its_own() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let written = || metadata().get(TRACEPARENT).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(written(), None);
        let [first, second, elsewhere] = of(&[&valid], &[])
            .scope(async {
                let task = tokio::spawn(carried(async move { written() }));
                [written(), written(), task.await.unwrap()].map(Option::unwrap)
            })
            .await;
        for parent in [&first, &second, &elsewhere] {
            assert!(parent.starts_with(&format!("00-{TRACE}-")) && parent.ends_with("-01"), "{parent}");
            assert!(!parent.contains(PARENT));
        }
        assert_ne!(first, second);
    }
}
