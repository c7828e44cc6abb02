/// New modules in Rust.
enum RustTemplate {
    static let makefile =
        """
        TYPE      := @TYPE@
        RUSTC     ?= rustc
        RUSTFLAGS ?= -C opt-level=s -C strip=symbols
        RUSTDIR   := $(shell pkg-config --variable=rustdir catena)

        """ + ModuleTemplate.directories + """

            all: $(TYPE).so

            # The C interface for Rust, as Catena installs it beside the header.
            libcatena.rlib: $(RUSTDIR)/catena.rs $(RUSTDIR)/json.rs
            	$(RUSTC) --edition 2021 --crate-type rlib --crate-name catena $(RUSTFLAGS) -o $@ $<

            $(TYPE).so: $(TYPE).rs libcatena.rlib Makefile
            	$(RUSTC) --edition 2021 --crate-type cdylib --crate-name $(subst -,_,$(TYPE)) $(RUSTFLAGS) --extern catena=libcatena.rlib -o $@ $<

            clean:
            	rm -f $(TYPE).so libcatena.rlib

            """ + ModuleTemplate.install

    private static func entry(kind: String, description: String) -> String {
        """

        catena::module! {
            Module {
                kind: CATENA_KIND_\(kind),
                name: "@TYPE@",
                version: "0.1.0",
                description: "\(description)",
                cni_versions: &["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
                capabilities: &[],
                schema: SCHEMA,
                add,
                del: Some(del),
                check: Some(check),
                gc: None,
                status: Some(status),
            }
        }

        """
    }

    static let meta =
        ##"""
        //! @TYPE@: lets programs in the container that are not root listen on ports from `portStart` on.

        use catena::raw::*;
        use catena::{Call, Failure, Module, Outcome};
        use std::fs;

        /// Of the network namespace of the thread that opens it.
        const PARAMETER: &str = "/proc/sys/net/ipv4/ip_unprivileged_port_start";

        fn read_config(call: &Call) -> Outcome<u64> {
            let config = call.config()?;
            let port = match config.get("portStart") {
                Some(value) => value.as_u64().ok_or_else(|| Failure::new(CATENA_ERROR_DECODING_FAILURE, "portStart: expected a port number"))?,
                None => 0,
            };
            if port > 65535 {
                return Err(Failure::new(CATENA_ERROR_INVALID_CONFIGURATION, "portStart: must be from 0 to 65535").details("it is a port number"));
            }
            Ok(port)
        }

        fn set_port(call: &Call, port: u64) -> Outcome {
            call.in_container(|| fs::write(PARAMETER, port.to_string()))?.map_err(|error| Failure::io(format!("write to {}", PARAMETER), error))
        }

        fn add(call: &Call) -> Outcome {
            let port = read_config(call)?;
            if call.previous().is_none() {
                return Err(Failure::new(CATENA_ERROR_INVALID_CONFIGURATION, "prevResult: is missing")
                    .details("chain this plugin behind one that makes an interface"));
            }
            call.log(CATENA_LOG_INFO, &format!("ports from {} on need no privilege", port));
            set_port(call, port) // no result is stated: the previous one is passed on
        }

        /// With the namespace, what add made is gone.
        fn del(call: &Call) -> Outcome {
            if call.has_netns() {
                set_port(call, 1024)
            } else {
                Ok(())
            }
        }

        fn check(call: &Call) -> Outcome {
            let expected = read_config(call)?.to_string();
            let found = call.in_container(|| fs::read_to_string(PARAMETER))?.map_err(|error| Failure::io(format!("read {}", PARAMETER), error))?;
            if found.trim() != expected {
                return Err(Failure::new(CATENA_ERROR_INTERNAL, format!("check: {}: expected {}, found {}", PARAMETER, expected, found.trim())));
            }
            Ok(())
        }

        fn status(call: &Call) -> Outcome {
            read_config(call).map(|_| ())
        }

        const SCHEMA: &str = r#"{
          "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "@TYPE@", "type": "object",
          "properties": { "portStart": { "type": "integer", "minimum": 0, "maximum": 65535 } }
        }"#;

        """## + entry(kind: "META", description: "lets programs without privilege listen on low ports")

    static let ipam =
        ##"""
        //! @TYPE@: gives the container the address that the configuration names.

        use catena::raw::*;
        use catena::{Address, Call, Failure, Module, Outcome, Results};

        /// The configuration is that of the plugin that delegates to this one: our keys are in `ipam`.
        fn read_config(call: &Call) -> Outcome<Address> {
            let config = call.config()?;
            let text = |key| {
                config.get("ipam").and_then(|ipam| ipam.get(key)).map(|value| {
                    let text = value.as_str().map(str::to_string);
                    text.ok_or_else(|| Failure::new(CATENA_ERROR_DECODING_FAILURE, format!("ipam.{}: expected a string", key)))
                })
            };
            let address = text("address").unwrap_or_else(|| {
                Err(Failure::new(CATENA_ERROR_INVALID_CONFIGURATION, "ipam.address: is missing").details("such as 10.123.0.2/24"))
            })?;
            Ok(Address { address, gateway: text("gateway").transpose()?, interface: None })
        }

        fn add(call: &Call) -> Outcome {
            let address = read_config(call)?;
            call.log(CATENA_LOG_INFO, &format!("gave {} to {}", address.address, call.container_id()));
            call.set_result(&Results { ips: vec![address], ..Results::default() }) // refuses an address that is none
        }

        /// There is nothing to give back: a plugin that chooses addresses releases here, and in gc, what the container has.
        fn del(_call: &Call) -> Outcome {
            Ok(())
        }

        fn check(call: &Call) -> Outcome {
            let wanted = read_config(call)?.address;
            if !call.previous().unwrap_or_default().ips.iter().any(|ip| ip.address == wanted) {
                return Err(Failure::new(CATENA_ERROR_INTERNAL, format!("check: expected {} in prevResult, found none", wanted)));
            }
            Ok(())
        }

        fn status(call: &Call) -> Outcome {
            read_config(call).map(|_| ())
        }

        const SCHEMA: &str = r#"{
          "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "@TYPE@", "type": "object",
          "properties": {
            "ipam": {
              "type": "object", "required": ["address"],
              "properties": { "type": { "const": "@TYPE@" }, "address": { "type": "string" }, "gateway": { "type": "string" } }
            }
          }
        }"#;

        """## + entry(kind: "IPAM", description: "gives the address that is configured")
}
