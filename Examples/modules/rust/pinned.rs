//! pinned: an IPAM plugin that gives certain pods the addresses that are set for them, and leaves the others to another IPAM plugin.
//! README.md says what its keys mean.

use catena::json::Value;
use catena::raw::*;
use catena::{Address, Call, Failure, Module, Outcome, Results, Route, Verb};
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

// ---- Configuration: the member `ipam` ----

struct Config {
    /// All of the configuration, as the delegating plugin has it.
    whole: Value,
    /// What is set for this pod; None where nothing is.
    pinned: Option<Vec<Address>>,
    routes: Vec<Route>,
    /// The plugin for all others.
    fallback: Option<Value>,
    /// The nftables sets that addresses of IPv4 and IPv6 are elements of while they are in use.
    sets: [Option<Set>; 2],
    directory: PathBuf,
}

/// An nftables set of the administrator's own.
struct Set {
    family: String,
    table: String,
    name: String,
}

fn wrong_type(place: &str, expected: &str) -> Failure {
    Failure::new(CATENA_ERROR_DECODING_FAILURE, format!("{}: expected {}", place, expected))
}

fn invalid(place: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(CATENA_ERROR_INVALID_CONFIGURATION, format!("{}: {}", place, why))
}

/// A member that is a string.
fn string(object: &Value, key: &str, place: &str) -> Outcome<Option<String>> {
    let text = |value: &Value| value.as_str().map(str::to_string).ok_or_else(|| wrong_type(&format!("{}.{}", place, key), "a string"));
    object.get(key).map(text).transpose()
}

/// "10.1.0.200/16".
fn network(text: &str) -> Option<IpAddr> {
    let (address, prefix) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    prefix.parse::<u32>().ok().filter(|prefix| *prefix <= bits).map(|_| address)
}

fn read_address(item: &Value, place: &str) -> Outcome<Address> {
    let text = string(item, "address", place)?.ok_or_else(|| invalid(&format!("{}.address", place), "is missing"))?;
    let address = network(&text)
        .ok_or_else(|| invalid(&format!("{}.address", place), format!("\"{}\" is no address with prefix length (10.1.0.200/16)", text)))?;
    let gateway = string(item, "gateway", place)?;
    if let Some(gateway) = &gateway {
        if gateway.parse::<IpAddr>().map_or(true, |gateway| gateway.is_ipv4() != address.is_ipv4()) {
            return Err(invalid(&format!("{}.gateway", place), format!("\"{}\" is no address of the family of {}", gateway, text)));
        }
    }
    Ok(Address { address: text, gateway, interface: None })
}

fn read_route(item: &Value, place: &str) -> Outcome<Route> {
    let dst = string(item, "dst", place)?.ok_or_else(|| invalid(&format!("{}.dst", place), "is missing"))?;
    Ok(Route { dst, gw: string(item, "gw", place)?, ..Route::default() })
}

fn read_list<T>(object: &Value, key: &str, place: &str, read: fn(&Value, &str) -> Outcome<T>) -> Outcome<Vec<T>> {
    let place = format!("{}.{}", place, key);
    let items = match object.get(key) {
        Some(list) => list.items().ok_or_else(|| wrong_type(&place, "a list"))?,
        None => return Ok(Vec::new()),
    };
    items.iter().enumerate().map(|(index, item)| read(item, &format!("{}[{}]", place, index))).collect()
}

/// "inet filter pinned4". Its words become part of commands: nothing but words gets through.
fn read_set(ipam: &Value, key: &str) -> Outcome<Option<Set>> {
    let text = match string(ipam, key, "ipam")? {
        Some(text) => text,
        None => return Ok(None),
    };
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    match text.split(' ').collect::<Vec<_>>()[..] {
        [family, table, name] if ["ip", "ip6", "inet"].contains(&family) && is_word(table) && is_word(name) => {
            Ok(Some(Set { family: family.to_string(), table: table.to_string(), name: name.to_string() }))
        }
        _ => Err(invalid(&format!("ipam.{}", key), format!("\"{}\" is no family, table and set (inet filter pinned4)", text))),
    }
}

/// Who asks: "namespace/pod" as Kubernetes has runtimes put it into CNI_ARGS, else the container ID.
fn who(call: &Call) -> String {
    match (call.argument("K8S_POD_NAMESPACE"), call.argument("K8S_POD_NAME")) {
        (Some(namespace), Some(name)) => format!("{}/{}", namespace, name),
        _ => call.container_id(),
    }
}

impl Config {
    fn read(call: &Call) -> Outcome<Config> {
        let whole = call.config()?;
        let ipam = whole.get("ipam").ok_or_else(|| invalid("ipam", "is missing: pinned is an IPAM plugin"))?.clone();
        let directory = string(&ipam, "dataDir", "ipam")?.unwrap_or_else(|| "/run/cni/pinned".to_string());
        let table = ipam.get("addresses").ok_or_else(|| invalid("ipam.addresses", "is missing"))?;
        table.members().ok_or_else(|| wrong_type("ipam.addresses", "an object"))?;
        let us = who(call);
        let pinned = match table.get(&us) {
            Some(_) => Some(read_list(table, &us, "ipam.addresses", read_address)?),
            None => None,
        };
        let fallback = ipam.get("fallback").cloned();
        if let Some(fallback) = &fallback {
            string(fallback, "type", "ipam.fallback")?.ok_or_else(|| invalid("ipam.fallback.type", "is missing"))?;
        }
        let routes = read_list(&ipam, "routes", "ipam", read_route)?;
        let sets = [read_set(&ipam, "set4")?, read_set(&ipam, "set6")?];
        Ok(Config { whole, pinned, routes, fallback, sets, directory: Path::new(&directory).join(call.network()) })
    }

    /// The fallback's type, and the configuration that it gets: ours, with its own in the place of `ipam`.
    fn delegate(&self) -> Option<(&str, Value)> {
        let fallback = self.fallback.as_ref()?;
        Some((fallback.get("type")?.as_str()?, self.whole.with("ipam", fallback.clone())))
    }
}

// ---- Reservations: a file for each address, named after it, with its owner's container ID and interface ----

fn owner(container: &str, ifname: &str) -> String {
    format!("{}\n{}", container, ifname)
}

/// The file of an address, whatever its spelling.
fn file(directory: &Path, address: &Address) -> PathBuf {
    directory.join(network(&address.address).map(|address| address.to_string()).unwrap_or_default())
}

/// Takes an address. The file appears with its content: nobody sees one that is half written.
fn reserve(directory: &Path, address: &Address, owner: &str) -> Outcome {
    let path = file(directory, address);
    let temporary = directory.join(format!(".{}", std::process::id()));
    let doing = |error| Failure::io(format!("reserve {} in {}", address.address, directory.display()), error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(doing)?;
    let _left_over = fs::remove_file(&temporary);
    let mut options = fs::OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(0o600).open(&temporary).map_err(doing)?;
    let linked = std::io::Write::write_all(&mut out, owner.as_bytes()).and_then(|()| fs::hard_link(&temporary, &path));
    let _removed = fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let holder = fs::read_to_string(&path).unwrap_or_default().replace('\n', " ");
            Err(Failure::new(101, format!("reserve {}: it is in use by {}", address.address, holder))
                .details("an address can be set for one pod at a time; DEL of its owner gives it back"))
        }
        other => other.map_err(doing),
    }
}

/// The files of the addresses whose owner is wanted.
fn reservations(directory: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<Vec<PathBuf>> {
    let doing = |error| Failure::io(format!("look for reservations in {}", directory.display()), error);
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(doing)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(doing)?.path();
        if matches!(fs::read_to_string(&path), Ok(owner) if wanted(&owner)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Gives back the addresses whose owner is wanted, first to nftables: nobody gets an address that rules still know as another's. What is gone
/// is no error.
fn release(call: &Call, config: &Config, wanted: impl Fn(&str) -> bool) -> Outcome {
    let paths = reservations(&config.directory, wanted)?;
    let addresses: Vec<IpAddr> = paths.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).collect();
    leave_sets(call, config, &addresses)?;
    for path in paths {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::io(format!("remove {}", path.display()), error)),
            _ => {}
        }
    }
    Ok(())
}

// ---- nftables ----

impl Config {
    fn set(&self, address: &IpAddr) -> Option<&Set> {
        self.sets[usize::from(address.is_ipv6())].as_ref()
    }
}

fn bytes(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Queues the addresses as elements of the sets. The kernel sees them when the whole chain has succeeded.
fn join_sets(call: &Call, config: &Config, addresses: &[Address]) -> Outcome {
    for address in addresses.iter().filter_map(|address| network(&address.address)) {
        if let Some(set) = config.set(&address) {
            let command = format!("add element {} {} {} {{ {} }}", set.family, set.table, set.name, address);
            call.nft_queue(&command, &format!("put {} into set {}", address, set.name))?;
        }
    }
    Ok(())
}

fn leave_sets(call: &Call, config: &Config, addresses: &[IpAddr]) -> Outcome {
    let mut commands = Vec::new();
    for address in addresses {
        if let Some(set) = config.set(address) {
            if call.nft_element(&set.family, &set.table, &set.name, &bytes(address))?.is_some() {
                commands.push(format!("delete element {} {} {} {{ {} }}", set.family, set.table, set.name, address));
            }
        }
    }
    if commands.is_empty() {
        return Ok(());
    }
    call.nft_queue(&commands.join("\n"), "take addresses out of sets")?;
    call.nft_commit()
}

// ---- Operations ----

fn add(call: &Call) -> Outcome {
    let config = Config::read(call)?;
    let addresses = match (&config.pinned, config.delegate()) {
        (Some(addresses), _) => addresses,
        (None, Some((fallback, its_config))) => return call.set_result(&call.delegate_add(fallback, Some(&its_config))?),
        (None, None) => {
            return Err(Failure::new(100, format!("there is no address for {}", who(call)))
                .details("set one in ipam.addresses, or name another IPAM plugin in ipam.fallback"))
        }
    };
    let us = owner(&call.container_id(), &call.ifname());
    let reserved = addresses.iter().try_for_each(|address| reserve(&config.directory, address, &us));
    let result = Results { ips: addresses.clone(), routes: config.routes.clone(), ..Results::default() };
    let outcome = reserved.and_then(|()| call.set_result(&result)).and_then(|()| join_sets(call, &config, addresses));
    match &outcome {
        Ok(()) => call.log(CATENA_LOG_INFO, &format!("gave {} what is set for it", who(call))),
        Err(_) => release(call, &config, |owner| owner == us)?,
    }
    outcome
}

/// Both ways: what is set for the pod may be another than at its ADD.
fn del(call: &Call) -> Outcome {
    let config = Config::read(call)?;
    let us = owner(&call.container_id(), &call.ifname());
    release(call, &config, |owner| owner == us)?;
    config.delegate().map_or(Ok(()), |(fallback, its_config)| call.delegate(fallback, Verb::Del, Some(&its_config)))
}

fn check(call: &Call) -> Outcome {
    let config = Config::read(call)?;
    let addresses = match (&config.pinned, config.delegate()) {
        (Some(addresses), _) => addresses,
        (None, Some((fallback, its_config))) => return call.delegate(fallback, Verb::Check, Some(&its_config)),
        (None, None) => return Err(Failure::new(100, format!("check {}: there is no address for it", who(call)))),
    };
    let us = owner(&call.container_id(), &call.ifname());
    for address in addresses {
        let found = fs::read_to_string(file(&config.directory, address)).unwrap_or_default();
        if found != us {
            let holder = if found.is_empty() { "no one's".to_string() } else { format!("that of {}", found.replace('\n', " ")) };
            return Err(Failure::new(
                102,
                format!("check {}: expected the reservation of {}, found {}", who(call), address.address, holder),
            ));
        }
        check_set(call, &config, address)?;
    }
    Ok(())
}

fn check_set(call: &Call, config: &Config, address: &Address) -> Outcome {
    let address = match network(&address.address) {
        Some(address) => address,
        None => return Ok(()),
    };
    match config.set(&address) {
        Some(set) if call.nft_element(&set.family, &set.table, &set.name, &bytes(&address))?.is_none() => {
            Err(Failure::new(103, format!("check {}: expected {} in set {}, found none", who(call), address, set.name)))
        }
        _ => Ok(()),
    }
}

fn gc(call: &Call) -> Outcome {
    let config = Config::read(call)?;
    let valid: Vec<String> = call.valid_attachments().iter().map(|(container, ifname)| owner(container, ifname)).collect();
    release(call, &config, |owner| !valid.iter().any(|valid| valid == owner))?;
    config.delegate().map_or(Ok(()), |(fallback, its_config)| call.delegate(fallback, Verb::Gc, Some(&its_config)))
}

fn status(call: &Call) -> Outcome {
    let config = Config::read(call)?;
    config.delegate().map_or(Ok(()), |(fallback, its_config)| call.delegate(fallback, Verb::Status, Some(&its_config)))
}

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "pinned",
  "type": "object",
  "properties": {
    "ipam": {
      "type": "object",
      "properties": {
        "type": { "const": "pinned" },
        "addresses": {
          "type": "object",
          "description": "what is set, by namespace/pod or container ID",
          "additionalProperties": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": { "address": { "type": "string" }, "gateway": { "type": "string" } },
              "required": ["address"]
            }
          }
        },
        "routes": {
          "type": "array",
          "items": {
            "type": "object", "properties": { "dst": { "type": "string" }, "gw": { "type": "string" } }, "required": ["dst"]
          }
        },
        "fallback": {
          "type": "object", "additionalProperties": true, "properties": { "type": { "type": "string" } }, "required": ["type"],
          "description": "the IPAM plugin for all others"
        },
        "set4": { "type": "string", "examples": ["inet filter pinned4"], "description": "the nftables set of IPv4 addresses in use" },
        "set6": { "type": "string", "examples": ["inet filter pinned6"], "description": "the nftables set of IPv6 addresses in use" },
        "dataDir": { "type": "string", "default": "/run/cni/pinned", "description": "where the reservations are" }
      },
      "required": ["addresses"]
    }
  }
}"#;

catena::module! {
    Module {
        kind: CATENA_KIND_IPAM,
        name: "pinned",
        version: "1.0.0",
        description: "gives certain pods the addresses that are set for them",
        cni_versions: &["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        capabilities: &[],
        schema: SCHEMA,
        add,
        del: Some(del),
        check: Some(check),
        gc: Some(gc),
        status: Some(status),
    }
}
