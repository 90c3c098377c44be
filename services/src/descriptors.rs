//! Room for connections: how many files and sockets the system lets this process have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as all connections of a peer and its files need together; the most that macOS gives.
const WANTED: u64 = 10_240;

/// Raises this process's own limit (`ulimit -n`) to what a peer needs, as far as the system lets it. Many start
/// programs with 1,024 or 256, fewer than the connections that the gateway alone may have.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |most| most.min(WANTED));
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        tracing::debug!(%error, "the number of open files cannot be raised to {wanted}");
    }
    if wanted < WANTED {
        tracing::info!(
            "this process may have {wanted} files and connections open, fewer than a busy peer needs: raise `ulimit -Hn`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_is_raised() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let most = maximum.map_or(WANTED, |most| most.min(WANTED));
        let low = Rlimit { current: Some(most / 2), maximum };
        setrlimit(Resource::Nofile, low).unwrap();
        raise();
        assert_eq!(getrlimit(Resource::Nofile).current, Some(most));
    }
}
