//! One fetch into one mirror, on the thread of the caller. Knows no deadline and no other fetch.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use git2::{
    AutotagOption, Cred, CredentialType, Direction, ErrorClass, ErrorCode, FetchOptions, Oid, RemoteCallbacks,
    RemoteRedirect, Repository,
};
use secrecy::{ExposeSecret, SecretString};

use super::{error::Error, mirror::MirrorName};

/// How often the server may ask for credentials in one fetch; libgit2 would go on for ever with a wrong one.
const MAX_CREDENTIAL_CALLS: u32 = 2;

/// Where a mirror gets its commits from.
#[derive(Clone)]
pub struct Remote {
    /// The mirror.
    pub name: MirrorName,
    /// `https://…`, `file://…` or the path of a folder; `http://…` too, then without the token unless it is this machine.
    pub url: String,
    /// Password for the user `x-access-token`.
    pub token: Option<SecretString>,
}

/// One commit that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub sha: String,
    /// Full name of a reference that leads to it, for servers that give out no single commits.
    pub reference: Option<String>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Checks that an address is of a kind we fetch from, and holds no password that would end up in a message.
pub(super) fn check_url(url: &str) -> Result<(), Error> {
    let kinds = ["https://", "http://", "file://"];
    let rest = kinds.iter().find_map(|kind| url.strip_prefix(kind));
    if rest.is_none() && !url.starts_with('/') {
        return Err(Error::Refused("only https://, http://, file:// and plain paths are fetched from".into()));
    }
    if rest.is_some_and(|rest| rest.split('/').next().unwrap_or_default().contains('@')) {
        return Err(Error::Refused("the address holds a user name or password; set a token instead".into()));
    }
    Ok(())
}

/// libgit2 has misleading words for a folder that is not there.
fn check_folder(url: &str) -> Result<(), Error> {
    let folder = url.strip_prefix("file://").or(url.starts_with('/').then_some(url));
    match folder {
        Some(folder) if !Path::new(folder).exists() => Err(Error::NotFound("there is no such repository".into())),
        _ => Ok(()),
    }
}

/// Makes sure that the mirror has the commits with their history, and keeps them from being collected.
pub(super) fn fetch(path: &Path, remote: &Remote, wanted: &[Wanted], abandoned: &Arc<AtomicBool>) -> Result<(), Error> {
    let repository = open_or_init(path)?;
    let mut missing = Vec::new();
    for one in wanted {
        let id = parse(&one.sha)?;
        if repository.find_object(id, None).is_err() {
            if repository.find_reference(&keep(&one.sha)).is_ok() {
                return Err(Error::Corrupt(format!("it has lost commit {}", one.sha)));
            }
            missing.push(one);
        }
    }
    if !missing.is_empty() {
        check_folder(&remote.url)?;
        let by_sha: Vec<_> = missing.iter().map(|one| format!("+{0}:{1}", one.sha, keep(&one.sha))).collect();
        match pull(&repository, remote, &by_sha, abandoned) {
            Ok(()) => {}
            Err(error) if is_final(&error) => return Err(error.into()),
            Err(error) => {
                let by_reference = references(&missing)?;
                if by_reference.is_empty() {
                    return Err(error.into());
                }
                tracing::debug!(%error, "the server gives out no single commits");
                pull(&repository, remote, &by_reference, abandoned)?;
            }
        }
    }
    for one in wanted {
        let id = parse(&one.sha)?;
        let found = repository.find_object(id, None).and_then(|object| object.peel_to_commit());
        found.map_err(|_| not_found(&one.sha))?;
        repository.reference(&keep(&one.sha), id, true, "kept for a pipeline")?;
    }
    Ok(())
}

pub(super) fn not_found(sha: &str) -> Error {
    Error::NotFound(format!("commit {sha} is not in the repository (any more)"))
}

pub(super) fn parse(sha: &str) -> Result<Oid, Error> {
    if sha.len() == 40 { Oid::from_str(sha).map_err(|_| not_found(sha)) } else { Err(not_found(sha)) }
}

fn keep(sha: &str) -> String {
    format!("refs/conducto/keep/{sha}")
}

fn references(wanted: &[&Wanted]) -> Result<Vec<String>, Error> {
    let names = wanted.iter().filter_map(|one| one.reference.as_deref());
    names
        .map(|name| match name.strip_prefix("refs/") {
            Some(short) if git2::Reference::is_valid_name(name) => Ok(format!("+{name}:refs/conducto/from/{short}")),
            _ => Err(Error::Refused(format!("`{name}` cannot be the name of a reference"))),
        })
        .collect()
}

/// Says whether asking in another way can lead to another answer.
fn is_final(error: &git2::Error) -> bool {
    matches!(error.code(), ErrorCode::Auth | ErrorCode::Certificate | ErrorCode::Timeout | ErrorCode::User)
        || matches!(error.class(), ErrorClass::Http | ErrorClass::Ssl | ErrorClass::Os)
}

pub(super) fn open_or_init(path: &Path) -> Result<Repository, Error> {
    if path.join("HEAD").exists() {
        return Ok(Repository::open_bare(path)?);
    }
    let mut options = git2::RepositoryInitOptions::new();
    let repository = Repository::init_opts(path, options.bare(true).external_template(false).mkpath(true))?;
    // libgit2 reads the size above which it looks for no deltas from this key. The packs we write are read once.
    repository.config()?.set_i64("pack.deltaCacheSize", 0)?;
    Ok(repository)
}

/// Returns the commit that a reference of the server leads to.
pub(super) fn tip(remote: &Remote, reference: &str) -> Result<String, Error> {
    if reference != "HEAD" && !git2::Reference::is_valid_name(reference) {
        return Err(Error::Refused(format!("`{reference}` cannot be the name of a reference")));
    }
    check_folder(&remote.url)?;
    let mut detached = git2::Remote::create_detached(remote.url.as_str())?;
    let connection = detached.connect_auth(Direction::Fetch, Some(callbacks(remote)), None)?;
    // What an annotated tag leads to is listed after it, under its name with this at the end.
    let peeled = format!("{reference}^{{}}");
    let heads = connection.list()?;
    let find = |name: &str| heads.iter().find(|head| head.name() == name).map(|head| head.oid().to_string());
    find(&peeled).or_else(|| find(reference)).ok_or_else(|| {
        let short = ["refs/heads/", "refs/tags/"].iter().find_map(|kind| reference.strip_prefix(kind));
        let kind = if reference.starts_with("refs/tags/") { "tag" } else { "branch" };
        Error::NotFound(format!("there is no {kind} `{}` in the repository (any more)", short.unwrap_or(reference)))
    })
}

fn callbacks(remote: &Remote) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    let token = remote.token.as_ref().filter(|_| may_carry_token(&remote.url));
    let mut asked = 0;
    callbacks.credentials(move |_, _, allowed| {
        asked += 1;
        credentials(token, asked, allowed)
    });
    callbacks
}

fn pull(
    repository: &Repository,
    remote: &Remote,
    refspecs: &[String],
    abandoned: &Arc<AtomicBool>,
) -> Result<(), git2::Error> {
    let mut callbacks = callbacks(remote);
    let stop = Arc::clone(abandoned);
    callbacks.transfer_progress(move |_| !stop.load(Ordering::Relaxed));
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks)
        .download_tags(AutotagOption::None)
        .update_fetchhead(false)
        .follow_redirects(RemoteRedirect::Initial);
    repository.remote_anonymous(&remote.url)?.fetch(refspecs, Some(&mut options), None)
}

fn credentials(token: Option<&SecretString>, asked: u32, allowed: CredentialType) -> Result<Cred, git2::Error> {
    let refused = |message: &str| Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, message));
    match token {
        None => refused("the server asks for credentials and there is no token for it"),
        Some(_) if asked > MAX_CREDENTIAL_CALLS => refused("the server does not accept the token"),
        Some(token) if allowed.contains(CredentialType::USER_PASS_PLAINTEXT) => {
            Cred::userpass_plaintext("x-access-token", token.expose_secret())
        }
        Some(_) => refused("the server does not take a user name and a token"),
    }
}

/// A token goes over unencrypted connections only within this machine.
fn may_carry_token(url: &str) -> bool {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    host.is_none_or(|host| host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_kinds_of_addresses_without_passwords_are_fetched_from() {
        for good in ["https://github.com/a/b.git", "http://127.0.0.1:80/b", "file:///srv/b.git", "/srv/b"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in ["ssh://git@github.com/a/b", "git@github.com:a/b", "ext::sh -c x", "../b", "https://u:p@host/b"] {
            assert!(matches!(check_url(bad), Err(Error::Refused(_))), "{bad}");
        }
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        assert!(may_carry_token("https://github.com/a/b") && may_carry_token("http://127.0.0.1:8080/a"));
        assert!(!may_carry_token("http://github.com/a/b") && !may_carry_token("http://127x.example/a"));
    }
}
