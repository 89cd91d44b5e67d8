//! Reads from the command line and the environment how registries are reached.

#![expect(clippy::disallowed_methods, reason = "the environment says where logins and proxies are")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::cli;
use crate::config::{ConfigError, variable};
use crate::registry::{AuthFile, NamedHost, Options, RequestPolicy, authorities, proxy_host};

/// Reads how registries are reached for a bundle.
///
/// # Errors
/// [`ConfigError::Unreadable`], [`ConfigError::CrlHost`]
pub(crate) fn options(options: &cli::BundleCreate) -> Result<Options, ConfigError> {
    if let Some(folder) = &options.hosts_dir {
        // A mistyped name would silently leave out every mirror.
        let readable = std::fs::read_dir(folder);
        readable.map_err(|source| ConfigError::Unreadable { path: folder.clone(), source })?;
    }
    let host =
        |text: &String| NamedHost::parse(text).ok_or_else(|| ConfigError::CrlHost { text: text.clone() });
    Ok(Options {
        from: options.from.clone(),
        hosts: options.hosts_dir.clone(),
        crl_from: options.crl_from.iter().map(host).collect::<Result<_, _>>()?,
        ..access(&options.access)?
    })
}

/// Reads how registries are reached themselves, without mirrors.
///
/// # Errors
/// [`ConfigError::Unreadable`]
pub(crate) fn access(access: &cli::RegistryAccess) -> Result<Options, ConfigError> {
    let mut trusted = Vec::new();
    for path in &access.ca {
        let read = authorities(path);
        trusted.extend(read.map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?);
    }
    Ok(Options {
        plain_http: access.plain_http.iter().cloned().collect(),
        authorities: trusted,
        proxies: proxies(),
        auth_files: auth_files(),
        request_policy: RequestPolicy { retries: access.retries, ..RequestPolicy::default() },
        ..Options::default()
    })
}

/// The files with logins, in the order of containers-auth.json(5), Docker's own last.
fn auth_files() -> Vec<AuthFile> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = |inner: &str| std::env::home_dir().map(|home| home.join(inner));
    let may_be = |path: PathBuf| AuthFile { path, is_named: false };
    let docker = named("DOCKER_CONFIG").or_else(|| home(".docker")).map(|folder| folder.join("config.json"));
    if let Some(path) = named("REGISTRY_AUTH_FILE") {
        return [AuthFile { path, is_named: true }].into_iter().chain(docker.map(may_be)).collect();
    }
    let podman = [
        named("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")).or_else(runtime_auth_file),
        named("XDG_CONFIG_HOME")
            .or_else(|| home(".config"))
            .map(|folder| folder.join("containers/auth.json")),
    ];
    podman.into_iter().chain([docker]).flatten().map(may_be).collect()
}

/// Where podman keeps logins if the environment does not name a folder for run-time files, as for root.
fn runtime_auth_file() -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        // `/proc/self` belongs to this process's user.
        let user = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").ok()?);
        Some(PathBuf::from(format!("/run/containers/{user}/auth.json")))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The hosts of the proxies that the environment names, read as the HTTP library reads it.
fn proxies() -> BTreeSet<String> {
    let names = ["http_proxy", "https_proxy", "all_proxy"];
    let values = names.iter().flat_map(|name| [variable(name), variable(&name.to_ascii_uppercase())]);
    values.flatten().filter_map(|value| proxy_host(&value)).collect()
}
