//! catena/module.h for Rust: the structs and functions of the C interface (`raw`), and a safe layer over what most modules need.
//!
//! No crate but std, Rust 1.63 or newer. Build it by itself, and a module against it:
//!
//! ```sh
//! rustc --edition 2021 --crate-type rlib --crate-name catena $(pkg-config --variable=rustdir catena)/catena.rs
//! rustc --edition 2021 --crate-type cdylib --extern catena=libcatena.rlib hello.rs -o hello.so
//! ```
//!
//! A module is a `Module` with functions that take a `&Call` and return a `Result`; `module!` makes the C functions and the exported symbol of
//! them. A panic in one of them ends in a CNI error, not in the host. What the functions mean is told in catena/module.h.

#[path = "json.rs"]
pub mod json;

use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

/// The interface as the header has it, with its names. Layout and constants are compared with the header's by a test.
#[allow(non_camel_case_types)]
pub mod raw {
    use std::os::raw::{c_char, c_void};

    /// Defines structs, and for the test a table of their layout: (struct, its size, [(field, offset, size)]).
    macro_rules! structs {
        ($($(#[$attribute:meta])* struct $name:ident { $($(#[$note:meta])* $field:ident: $type:ty,)* })*) => {
            $($(#[$attribute])* #[repr(C)] #[derive(Clone, Copy)] pub struct $name { $($(#[$note])* pub $field: $type,)* })*

            /// The layout of every struct.
            pub fn layout() -> Vec<(&'static str, usize, Vec<(&'static str, usize, usize)>)> {
                vec![$({
                    let memory = std::mem::MaybeUninit::<$name>::uninit();
                    let start = memory.as_ptr();
                    let mut fields = Vec::new();
                    $(
                        // The address of a field; nothing is read.
                        let field = unsafe { std::ptr::addr_of!((*start).$field) };
                        fields.push((stringify!($field), field as usize - start as usize, std::mem::size_of::<$type>()));
                    )*
                    (stringify!($name), std::mem::size_of::<$name>(), fields)
                }),*]
            }
        };
    }

    /// Defines constants, and for the test a list of them.
    macro_rules! constants {
        ($($name:ident = $value:expr;)*) => {
            $(pub const $name: u32 = $value;)*
            /// Every number of the interface by its name.
            pub fn constants() -> Vec<(&'static str, u32)> { vec![$((stringify!($name), $name)),*] }
        };
    }

    constants! {
        CATENA_ABI_MAJOR = 1;
        CATENA_OK = 0;
        CATENA_ADD = 1;
        CATENA_DEL = 2;
        CATENA_CHECK = 3;
        CATENA_GC = 4;
        CATENA_STATUS = 5;
        CATENA_KIND_INTERFACE = 1;
        CATENA_KIND_IPAM = 2;
        CATENA_KIND_META = 3;
        CATENA_LOG_DEBUG = 1;
        CATENA_LOG_INFO = 2;
        CATENA_LOG_WARNING = 3;
        CATENA_LOG_ERROR = 4;
        CATENA_ERROR_UNSUPPORTED_FIELD = 2;
        CATENA_ERROR_UNKNOWN_CONTAINER = 3;
        CATENA_ERROR_INVALID_ENVIRONMENT = 4;
        CATENA_ERROR_IO_FAILURE = 5;
        CATENA_ERROR_DECODING_FAILURE = 6;
        CATENA_ERROR_INVALID_CONFIGURATION = 7;
        CATENA_ERROR_INVALID_NETNS = 8;
        CATENA_ERROR_TRY_AGAIN_LATER = 11;
        CATENA_ERROR_NOT_AVAILABLE = 50;
        CATENA_ERROR_LIMITED_CONNECTIVITY = 51;
        CATENA_ERROR_INTERNAL = 999;
        CATENA_ROUTE_HAS_TABLE = 1;
        CATENA_ROUTE_HAS_SCOPE = 2;
        CATENA_NFT_ABSENT = 2;
    }

    /// The name of the extension `catena_nft`, ended by NUL.
    pub const CATENA_NFT: &[u8] = b"catena.nft/1\0";

    /// A function of a module's table.
    pub type Operation = unsafe extern "C" fn(call: *const catena_call) -> i32;

    structs! {
        struct catena_interface {
            size: u32,
            mtu: u32,
            name: *const c_char,
            mac: *const c_char,
            sandbox: *const c_char,
            socket_path: *const c_char,
            pci_id: *const c_char,
        }
        struct catena_ip {
            size: u32,
            interface_index: i32,
            address: *const c_char,
            gateway: *const c_char,
        }
        struct catena_route {
            size: u32,
            flags: u32,
            dst: *const c_char,
            gw: *const c_char,
            mtu: u32,
            advmss: u32,
            priority: u32,
            table: u32,
            scope: u32,
            reserved: u32,
        }
        struct catena_dns {
            size: u32,
            nameserver_count: u32,
            search_count: u32,
            option_count: u32,
            nameservers: *const *const c_char,
            search: *const *const c_char,
            options: *const *const c_char,
            domain: *const c_char,
        }
        struct catena_result {
            size: u32,
            interface_count: u32,
            ip_count: u32,
            route_count: u32,
            interfaces: *const *const catena_interface,
            ips: *const *const catena_ip,
            routes: *const *const catena_route,
            dns: *const catena_dns,
        }
        struct catena_attachment {
            size: u32,
            reserved: u32,
            container_id: *const c_char,
            ifname: *const c_char,
        }
        struct catena_call {
            size: u32,
            operation: u32,
            host: *const catena_host,
            network: *const c_char,
            container_id: *const c_char,
            ifname: *const c_char,
            netns: *const c_char,
            args: *const c_char,
            path: *const c_char,
            cni_version: *const c_char,
            config: *const c_char,
            prev_result: *const catena_result,
            valid_attachments: *const *const catena_attachment,
            valid_attachment_count: u32,
            netns_fd: i32,
            host_data: *mut c_void,
        }
        struct catena_host {
            size: u32,
            abi_major: u32,
            name: *const c_char,
            version: *const c_char,
            log: unsafe extern "C" fn(call: *const catena_call, level: u32, message: *const c_char),
            fail: unsafe extern "C" fn(call: *const catena_call, code: u32, message: *const c_char, details: *const c_char) -> i32,
            set_result: unsafe extern "C" fn(call: *const catena_call, result: *const catena_result) -> i32,
            delegate: unsafe extern "C" fn(
                call: *const catena_call, r#type: *const c_char, operation: u32, config: *const c_char, result: *mut *const catena_result,
            ) -> i32,
            failure: unsafe extern "C" fn(
                call: *const catena_call, code: *mut u32, message: *mut *const c_char, details: *mut *const c_char,
            ) -> i32,
            netlink: unsafe extern "C" fn(call: *const catena_call, container: u32) -> i32,
            allocate: unsafe extern "C" fn(call: *const catena_call, bytes: u64) -> *mut c_void,
            in_container: unsafe extern "C" fn(
                call: *const catena_call, body: unsafe extern "C" fn(context: *mut c_void) -> i32, context: *mut c_void,
            ) -> i32,
            extension: unsafe extern "C" fn(call: *const catena_call, name: *const c_char) -> *const c_void,
        }
        struct catena_nft_element {
            size: u32,
            data_length: u32,
            comment: *const c_char,
            data: *const u8,
        }
        struct catena_nft {
            size: u32,
            reserved: u32,
            queue: unsafe extern "C" fn(call: *const catena_call, commands: *const c_char, purpose: *const c_char) -> i32,
            query: unsafe extern "C" fn(call: *const catena_call, command: *const c_char, json: *mut *const c_char) -> i32,
            has_chain: unsafe extern "C" fn(
                call: *const catena_call, family: *const c_char, table: *const c_char, chain: *const c_char,
            ) -> i32,
            element: unsafe extern "C" fn(
                call: *const catena_call, family: *const c_char, table: *const c_char, set: *const c_char, key: *const u8, key_length: u32,
                element: *mut *const catena_nft_element,
            ) -> i32,
            commit: unsafe extern "C" fn(call: *const catena_call) -> i32,
        }
        struct catena_module {
            size: u32,
            abi_major: u32,
            kind: u32,
            reserved: u32,
            r#type: *const c_char,
            version: *const c_char,
            description: *const c_char,
            cni_versions: *const *const c_char,
            capabilities: *const *const c_char,
            schema: *const c_char,
            add: Option<Operation>,
            del: Option<Operation>,
            check: Option<Operation>,
            gc: Option<Operation>,
            status: Option<Operation>,
        }
    }

    // The layout that 64-bit systems have: it does not compile where it is another.
    const _: () = assert!(std::mem::size_of::<catena_call>() == 112 && std::mem::size_of::<catena_host>() == 96);
    const _: () = assert!(std::mem::size_of::<catena_module>() == 104 && std::mem::size_of::<catena_result>() == 48);
}

/// A CNI error: a code, what was being done, to what, and why it failed; and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: u32,
    pub message: String,
    pub details: String,
}

impl Failure {
    /// A failure of this code: `raw::CATENA_ERROR_…`, or 100 and up for a module's own.
    pub fn new(code: u32, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), details: String::new() }
    }

    /// The same with words on what to do about it.
    pub fn details(mut self, details: impl Into<String>) -> Failure {
        self.details = details.into();
        self
    }

    /// What an error of the file system comes to.
    pub fn io(what: impl std::fmt::Display, error: std::io::Error) -> Failure {
        Failure::new(raw::CATENA_ERROR_IO_FAILURE, format!("{}: {}", what, error))
    }
}

/// What the functions of a module return.
pub type Outcome<T = ()> = Result<T, Failure>;

/// An address of a result. Texts are as the header has them: "10.1.0.5/16", "10.1.0.1".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub address: String,
    pub gateway: Option<String>,
    /// Index in `Results::interfaces`.
    pub interface: Option<usize>,
}

/// A route of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    pub dst: String,
    pub gw: Option<String>,
    pub mtu: u32,
    pub advmss: u32,
    pub priority: u32,
    pub table: Option<u32>,
    pub scope: Option<u32>,
}

/// An interface of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interface {
    pub name: String,
    pub mac: Option<String>,
    pub mtu: u32,
    pub sandbox: Option<String>,
    pub socket_path: Option<String>,
    pub pci_id: Option<String>,
}

/// Resolver settings of a result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dns {
    pub nameservers: Vec<String>,
    pub domain: Option<String>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

/// A CNI result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Results {
    pub interfaces: Vec<Interface>,
    pub ips: Vec<Address>,
    pub routes: Vec<Route>,
    pub dns: Option<Dns>,
}

/// What DEL, CHECK, GC and STATUS of a delegate are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Del = raw::CATENA_DEL as isize,
    Check = raw::CATENA_CHECK as isize,
    Gc = raw::CATENA_GC as isize,
    Status = raw::CATENA_STATUS as isize,
}

/// A module, as `module!` exports it. Functions that are None are successes without an effect.
pub struct Module {
    pub kind: u32,
    pub name: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub cni_versions: &'static [&'static str],
    pub capabilities: &'static [&'static str],
    pub schema: &'static str,
    pub add: fn(&Call) -> Outcome,
    pub del: Option<fn(&Call) -> Outcome>,
    pub check: Option<fn(&Call) -> Outcome>,
    pub gc: Option<fn(&Call) -> Outcome>,
    pub status: Option<fn(&Call) -> Outcome>,
}

/// One operation on the module, and the host's services. It lives until the module's function returns.
pub struct Call {
    raw: *const raw::catena_call,
}

impl Call {
    fn call(&self) -> &raw::catena_call {
        // The host hands out a call that is valid until the function returns, and no Call outlives that.
        unsafe { &*self.raw }
    }

    fn host(&self) -> &raw::catena_host {
        unsafe { &*self.call().host }
    }

    /// The C struct, for services that this layer does not have.
    pub fn as_raw(&self) -> *const raw::catena_call {
        self.raw
    }

    /// The network's name.
    pub fn network(&self) -> String {
        text(self.call().network)
    }

    /// CNI_CONTAINERID; empty for GC and STATUS.
    pub fn container_id(&self) -> String {
        text(self.call().container_id)
    }

    /// CNI_IFNAME; empty for GC and STATUS.
    pub fn ifname(&self) -> String {
        text(self.call().ifname)
    }

    /// CNI_NETNS; empty where there is none.
    pub fn netns(&self) -> String {
        text(self.call().netns)
    }

    /// Whether the container's network namespace exists: DEL may come without it.
    pub fn has_netns(&self) -> bool {
        self.call().netns_fd >= 0
    }

    /// The value of a key of CNI_ARGS, "K=V;K=V".
    pub fn argument(&self, key: &str) -> Option<String> {
        let arguments = text(self.call().args);
        arguments.split(';').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value.to_string())
    }

    /// This plugin's configuration.
    pub fn config(&self) -> Outcome<json::Value> {
        json::parse(&text(self.call().config))
            .map_err(|why| Failure::new(raw::CATENA_ERROR_DECODING_FAILURE, format!("decode configuration: {}", why)))
    }

    /// ADD: the result of the plugin before. DEL and CHECK: that of the whole chain. None where there is none.
    pub fn previous(&self) -> Option<Results> {
        unsafe { self.call().prev_result.as_ref() }.map(read_result)
    }

    /// GC: (container ID, interface name) of the attachments that are in use.
    pub fn valid_attachments(&self) -> Vec<(String, String)> {
        let call = self.call();
        list(call.valid_attachments, call.valid_attachment_count).iter().map(|item| (text(item.container_id), text(item.ifname))).collect()
    }

    /// Writes a line to the host's log. `level` is `raw::CATENA_LOG_…`.
    pub fn log(&self, level: u32, message: &str) {
        unsafe { (self.host().log)(self.raw, level, c_string(message).as_ptr()) }
    }

    /// States the result of ADD.
    pub fn set_result(&self, result: &Results) -> Outcome {
        let status = with_result(result, |raw| unsafe { (self.host().set_result)(self.raw, raw) });
        self.outcome(status)
    }

    /// Runs ADD of another plugin. `config` is what it gets; None is the calling module's own.
    pub fn delegate_add(&self, plugin: &str, config: Option<&json::Value>) -> Outcome<Results> {
        let mut result: *const raw::catena_result = ptr::null();
        self.delegate_raw(plugin, raw::CATENA_ADD, config, &mut result)?;
        Ok(unsafe { result.as_ref() }.map(read_result).unwrap_or_default())
    }

    /// Runs another operation of another plugin.
    pub fn delegate(&self, plugin: &str, verb: Verb, config: Option<&json::Value>) -> Outcome {
        self.delegate_raw(plugin, verb as u32, config, ptr::null_mut())
    }

    fn delegate_raw(&self, plugin: &str, verb: u32, config: Option<&json::Value>, result: *mut *const raw::catena_result) -> Outcome {
        let config = config.map(|config| c_string(&config.to_string()));
        let config = config.as_ref().map_or(ptr::null(), |config| config.as_ptr());
        let status = unsafe { (self.host().delegate)(self.raw, c_string(plugin).as_ptr(), verb, config, result) };
        self.outcome(status)
    }

    /// Runs `body` with the thread in the container's network namespace.
    pub fn in_container<T, F: FnOnce() -> T>(&self, body: F) -> Outcome<T> {
        struct Context<T, F> {
            body: Option<F>,
            result: Option<std::thread::Result<T>>,
        }
        unsafe extern "C" fn enter<T, F: FnOnce() -> T>(context: *mut std::os::raw::c_void) -> i32 {
            let context = &mut *(context as *mut Context<T, F>);
            if let Some(body) = context.body.take() {
                context.result = Some(catch_unwind(AssertUnwindSafe(body)));
            }
            0
        }
        let mut context = Context { body: Some(body), result: None };
        let status = unsafe { (self.host().in_container)(self.raw, enter::<T, F>, &mut context as *mut _ as *mut std::os::raw::c_void) };
        self.outcome(status)?;
        match context.result {
            Some(Ok(value)) => Ok(value),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(Failure::new(raw::CATENA_ERROR_INTERNAL, "in_container did not call its function")),
        }
    }

    /// Appends nft(8) commands to the chain's one transaction. Every word of them must have been checked or built.
    pub fn nft_queue(&self, commands: &str, purpose: &str) -> Outcome {
        let nft = self.nft()?;
        self.outcome(unsafe { (nft.queue)(self.raw, c_string(commands).as_ptr(), c_string(purpose).as_ptr()) })
    }

    /// Whether an nftables chain exists.
    pub fn nft_has_chain(&self, family: &str, table: &str, chain: &str) -> Outcome<bool> {
        let nft = self.nft()?;
        let status = unsafe { (nft.has_chain)(self.raw, c_string(family).as_ptr(), c_string(table).as_ptr(), c_string(chain).as_ptr()) };
        if status == raw::CATENA_NFT_ABSENT as i32 {
            return Ok(false);
        }
        self.outcome(status).map(|()| true)
    }

    /// The comment of an element of a set or map, empty where it has none; None where there is no such element, or set. `key` is its bytes as
    /// the kernel has them.
    pub fn nft_element(&self, family: &str, table: &str, set: &str, key: &[u8]) -> Outcome<Option<String>> {
        let nft = self.nft()?;
        let (family, table, set) = (c_string(family), c_string(table), c_string(set));
        let mut element: *const raw::catena_nft_element = ptr::null();
        let status =
            unsafe { (nft.element)(self.raw, family.as_ptr(), table.as_ptr(), set.as_ptr(), key.as_ptr(), key.len() as u32, &mut element) };
        if status == raw::CATENA_NFT_ABSENT as i32 {
            return Ok(None);
        }
        self.outcome(status)?;
        Ok(unsafe { element.as_ref() }.map(|element| text(element.comment)))
    }

    /// Commits what the chain has queued so far: on DEL and GC, before an address is given back that it names.
    pub fn nft_commit(&self) -> Outcome {
        let nft = self.nft()?;
        self.outcome(unsafe { (nft.commit)(self.raw) })
    }

    fn nft(&self) -> Outcome<&raw::catena_nft> {
        let table = unsafe { (self.host().extension)(self.raw, raw::CATENA_NFT.as_ptr() as *const c_char) } as *const raw::catena_nft;
        unsafe { table.as_ref() }.ok_or_else(|| Failure::new(raw::CATENA_ERROR_INTERNAL, "the host has no service catena.nft/1"))
    }

    /// What a service returned: of a failure the host knows the reason.
    fn outcome(&self, status: i32) -> Outcome {
        if status == raw::CATENA_OK as i32 {
            return Ok(());
        }
        let (mut code, mut message, mut details) = (raw::CATENA_ERROR_INTERNAL, ptr::null(), ptr::null());
        if unsafe { (self.host().failure)(self.raw, &mut code, &mut message, &mut details) } != raw::CATENA_OK as i32 {
            return Err(Failure::new(raw::CATENA_ERROR_INTERNAL, "a service of the host failed without a reason"));
        }
        Err(Failure { code, message: text(message), details: text(details) })
    }
}

/// Exports a `Module`: `module! { MODULE }` in the crate that is the module.
#[macro_export]
macro_rules! module {
    ($module:expr) => {
        // Out of the function, whose names would hide the crate's own.
        static CATENA_MODULE: $crate::Module = $module;

        #[no_mangle]
        pub extern "C" fn catena_module_entry(host_abi_major: u32) -> *const $crate::raw::catena_module {
            unsafe extern "C" fn add(call: *const $crate::raw::catena_call) -> i32 {
                $crate::run(call, Some(CATENA_MODULE.add))
            }
            unsafe extern "C" fn del(call: *const $crate::raw::catena_call) -> i32 {
                $crate::run(call, CATENA_MODULE.del)
            }
            unsafe extern "C" fn check(call: *const $crate::raw::catena_call) -> i32 {
                $crate::run(call, CATENA_MODULE.check)
            }
            unsafe extern "C" fn gc(call: *const $crate::raw::catena_call) -> i32 {
                $crate::run(call, CATENA_MODULE.gc)
            }
            unsafe extern "C" fn status(call: *const $crate::raw::catena_call) -> i32 {
                $crate::run(call, CATENA_MODULE.status)
            }
            $crate::describe(&CATENA_MODULE, host_abi_major, [add, del, check, gc, status])
        }
    };
}

/// What `module!` makes the C functions of: runs one, and states its failure, or its panic.
///
/// # Safety
/// `call` is what the host gave.
pub unsafe fn run(call: *const raw::catena_call, body: Option<fn(&Call) -> Outcome>) -> i32 {
    let body = match body {
        Some(body) => body,
        None => return raw::CATENA_OK as i32,
    };
    let call = Call { raw: call };
    let failure = match catch_unwind(AssertUnwindSafe(|| body(&call))) {
        Ok(Ok(())) => return raw::CATENA_OK as i32,
        Ok(Err(failure)) => failure,
        Err(panic) => {
            let why = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            Failure::new(raw::CATENA_ERROR_INTERNAL, format!("the module panicked: {}", why.unwrap_or_default()))
        }
    };
    (call.host().fail)(call.raw, failure.code, c_string(&failure.message).as_ptr(), c_string(&failure.details).as_ptr())
}

/// What `module!` returns to the host. It is made once, and never freed: it has to live as long as the module is loaded.
pub fn describe(module: &'static Module, host_abi_major: u32, functions: [raw::Operation; 5]) -> *const raw::catena_module {
    fn forever(text: &str) -> *const c_char {
        c_string(text).into_raw()
    }
    fn strings(texts: &[&str]) -> *const *const c_char {
        let pointers: Vec<*const c_char> = texts.iter().map(|text| forever(text) as *const c_char).chain([ptr::null()]).collect();
        Box::leak(pointers.into_boxed_slice()).as_ptr()
    }
    if host_abi_major != raw::CATENA_ABI_MAJOR {
        return ptr::null();
    }
    let [add, del, check, gc, status] = functions;
    Box::leak(Box::new(raw::catena_module {
        size: std::mem::size_of::<raw::catena_module>() as u32,
        abi_major: raw::CATENA_ABI_MAJOR,
        kind: module.kind,
        reserved: 0,
        r#type: forever(module.name),
        version: forever(module.version),
        description: forever(module.description),
        cni_versions: strings(module.cni_versions),
        capabilities: strings(module.capabilities),
        schema: if module.schema.is_empty() { ptr::null() } else { forever(module.schema) },
        add: Some(add),
        del: module.del.map(|_| del),
        check: module.check.map(|_| check),
        gc: module.gc.map(|_| gc),
        status: module.status.map(|_| status),
    }))
}

// ---- Between C and Rust ----

fn text(pointer: *const c_char) -> String {
    optional(pointer).unwrap_or_default()
}

fn optional(pointer: *const c_char) -> Option<String> {
    // Not NULL, it leads to a string that lives until the module's function returns.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// A C string; what is behind a NUL is lost.
fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

fn list<'a, T>(array: *const *const T, count: u32) -> Vec<&'a T> {
    if array.is_null() {
        return Vec::new();
    }
    (0..count as usize).filter_map(|index| unsafe { (*array.add(index)).as_ref() }).collect()
}

fn strings(array: *const *const c_char, count: u32) -> Vec<String> {
    if array.is_null() {
        return Vec::new();
    }
    (0..count as usize).map(|index| text(unsafe { *array.add(index) })).collect()
}

fn read_result(result: &raw::catena_result) -> Results {
    let interface = |item: &raw::catena_interface| Interface {
        name: text(item.name),
        mac: optional(item.mac),
        mtu: item.mtu,
        sandbox: optional(item.sandbox),
        socket_path: optional(item.socket_path),
        pci_id: optional(item.pci_id),
    };
    let address = |item: &raw::catena_ip| Address {
        address: text(item.address),
        gateway: optional(item.gateway),
        interface: usize::try_from(item.interface_index).ok(),
    };
    let route = |item: &raw::catena_route| Route {
        dst: text(item.dst),
        gw: optional(item.gw),
        mtu: item.mtu,
        advmss: item.advmss,
        priority: item.priority,
        table: (item.flags & raw::CATENA_ROUTE_HAS_TABLE != 0).then_some(item.table),
        scope: (item.flags & raw::CATENA_ROUTE_HAS_SCOPE != 0).then_some(item.scope),
    };
    Results {
        interfaces: list(result.interfaces, result.interface_count).into_iter().map(interface).collect(),
        ips: list(result.ips, result.ip_count).into_iter().map(address).collect(),
        routes: list(result.routes, result.route_count).into_iter().map(route).collect(),
        dns: unsafe { result.dns.as_ref() }.map(|dns| Dns {
            nameservers: strings(dns.nameservers, dns.nameserver_count),
            domain: optional(dns.domain),
            search: strings(dns.search, dns.search_count),
            options: strings(dns.options, dns.option_count),
        }),
    }
}

/// The strings that a C struct under construction points to.
#[derive(Default)]
struct Texts(Vec<CString>);

impl Texts {
    fn keep(&mut self, text: &str) -> *const c_char {
        // The bytes stay where they are when the list grows.
        self.0.push(c_string(text));
        self.0[self.0.len() - 1].as_ptr()
    }

    fn keep_optional(&mut self, text: &Option<String>) -> *const c_char {
        text.as_ref().map_or(ptr::null(), |text| self.keep(text))
    }

    fn keep_all(&mut self, texts: &[String]) -> Vec<*const c_char> {
        texts.iter().map(|text| self.keep(text)).collect()
    }
}

fn size<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

fn pointers<T>(items: &[T]) -> Vec<*const T> {
    items.iter().map(|item| item as *const T).collect()
}

/// Calls `body` with the result as C structs, which live until it returns.
fn with_result<R>(result: &Results, body: impl FnOnce(&raw::catena_result) -> R) -> R {
    let mut texts = Texts::default();
    let interfaces: Vec<_> = result
        .interfaces
        .iter()
        .map(|item| raw::catena_interface {
            size: size::<raw::catena_interface>(),
            mtu: item.mtu,
            name: texts.keep(&item.name),
            mac: texts.keep_optional(&item.mac),
            sandbox: texts.keep_optional(&item.sandbox),
            socket_path: texts.keep_optional(&item.socket_path),
            pci_id: texts.keep_optional(&item.pci_id),
        })
        .collect();
    let ips: Vec<_> = result
        .ips
        .iter()
        .map(|item| raw::catena_ip {
            size: size::<raw::catena_ip>(),
            interface_index: item.interface.map_or(-1, |index| index as i32),
            address: texts.keep(&item.address),
            gateway: texts.keep_optional(&item.gateway),
        })
        .collect();
    let routes: Vec<_> = result
        .routes
        .iter()
        .map(|item| raw::catena_route {
            size: size::<raw::catena_route>(),
            flags: item.table.map_or(0, |_| raw::CATENA_ROUTE_HAS_TABLE) | item.scope.map_or(0, |_| raw::CATENA_ROUTE_HAS_SCOPE),
            dst: texts.keep(&item.dst),
            gw: texts.keep_optional(&item.gw),
            mtu: item.mtu,
            advmss: item.advmss,
            priority: item.priority,
            table: item.table.unwrap_or(0),
            scope: item.scope.unwrap_or(0),
            reserved: 0,
        })
        .collect();
    let given = result.dns.clone().unwrap_or_default();
    let (nameservers, search, options) =
        (texts.keep_all(&given.nameservers), texts.keep_all(&given.search), texts.keep_all(&given.options));
    let dns = raw::catena_dns {
        size: size::<raw::catena_dns>(),
        nameserver_count: nameservers.len() as u32,
        search_count: search.len() as u32,
        option_count: options.len() as u32,
        nameservers: nameservers.as_ptr(),
        search: search.as_ptr(),
        options: options.as_ptr(),
        domain: texts.keep_optional(&given.domain),
    };
    let (interface_list, ip_list, route_list) = (pointers(&interfaces), pointers(&ips), pointers(&routes));
    body(&raw::catena_result {
        size: size::<raw::catena_result>(),
        interface_count: interface_list.len() as u32,
        ip_count: ip_list.len() as u32,
        route_count: route_list.len() as u32,
        interfaces: interface_list.as_ptr(),
        ips: ip_list.as_ptr(),
        routes: route_list.as_ptr(),
        dns: if result.dns.is_some() { &dns } else { ptr::null() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CATENA_FINGERPRINT names the header's fingerprint: every field and constant here is there, with the same place and size, and
    /// every one that is there is here.
    #[test]
    fn is_laid_out_as_the_header() {
        let path = std::env::var("CATENA_FINGERPRINT").expect("CATENA_FINGERPRINT names Tests/abi/fingerprint.txt");
        let wanted = std::fs::read_to_string(path).unwrap();
        let mut ours = Vec::new();
        for (name, value) in raw::constants() {
            ours.push(format!("constant {} = {}", name, value));
        }
        ours.push(format!("constant CATENA_NFT = \"{}\"", std::str::from_utf8(raw::CATENA_NFT).unwrap().trim_end_matches('\0')));
        for (name, size, fields) in raw::layout() {
            ours.push(format!("struct {} size {}", name, size));
            for (field, offset, size) in fields {
                ours.push(format!("field {}.{} offset {} size {}", name, field.trim_start_matches("r#"), offset, size));
            }
        }
        let mut theirs: Vec<_> =
            wanted.lines().filter(|line| !line.starts_with("function ")).map(|line| line.split(": ").next().unwrap().to_string()).collect();
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_result_survives_the_way_to_c_and_back() {
        let result = Results {
            interfaces: vec![Interface { name: "eth0".into(), sandbox: Some("/run/netns/a".into()), mtu: 1400, ..Interface::default() }],
            ips: vec![Address { address: "10.1.0.2/24".into(), gateway: Some("10.1.0.1".into()), interface: Some(0) }],
            routes: vec![Route { dst: "0.0.0.0/0".into(), table: Some(0), priority: 7, ..Route::default() }],
            dns: Some(Dns {
                nameservers: vec!["192.0.2.53".into()],
                search: vec!["a.example".into(), "b.example".into()],
                ..Dns::default()
            }),
        };
        assert_eq!(with_result(&result, read_result), result);
        assert_eq!(with_result(&Results::default(), read_result), Results::default());
    }
}
