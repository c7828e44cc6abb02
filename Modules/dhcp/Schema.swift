extension DHCPModule {
    /// JSON Schema (2020-12) of the configuration: the delegating plugin's, as far as this module reads it.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "dhcp",
          "type": "object",
          "required": ["ipam"],
          "properties": {
            "ipam": {
              "type": "object",
              "required": ["type"],
              "properties": {
                "type": { "const": "dhcp" },
                "daemonSocketPath": { "type": "string", "default": "/run/cni/dhcp.sock", "description": "where catena-dhcpd listens" },
                "provide": {
                  "type": "array",
                  "description": "options to send",
                  "items": {
                    "type": "object",
                    "required": ["option"],
                    "properties": {
                      "option": { "$ref": "#/$defs/option" },
                      "value": { "type": "string", "maxLength": 255 },
                      "fromArg": { "type": "string", "description": "the key in CNI_ARGS that has the value" }
                    }
                  }
                },
                "request": {
                  "type": "array",
                  "description": "options to ask for",
                  "items": {
                    "type": "object",
                    "properties": {
                      "option": { "$ref": "#/$defs/option" },
                      "skipDefault": { "type": "boolean", "description": "ask for nothing but what is listed" }
                    }
                  }
                },
                "priority": { "type": "integer", "minimum": 0, "maximum": 4294967295, "description": "metric of the routes" },
                "broadcast": { "type": "boolean", "description": "ask servers to broadcast their replies" },
                "probe": {
                  "type": "integer", "minimum": 0, "maximum": 60000, "default": 300,
                  "description": "milliseconds to probe an offered address by ARP or neighbour discovery; 0 for not at all"
                },
                "onChange": {
                  "enum": ["apply", "release"], "default": "apply",
                  "description": "when the address, gateway or routes change, or the lease is lost: apply the new ones, or release and report"
                },
                "ipv4": { "enum": ["dhcp", "none"], "default": "dhcp", "description": "where an IPv4 address comes from" },
                "ipv6": {
                  "enum": ["none", "dhcp", "slaac", "auto"], "default": "none",
                  "description": "where IPv6 addresses come from: a DHCPv6 server, the network that a router advertises, or as the router says"
                },
                "rapidCommit": { "type": "boolean", "description": "let a DHCPv6 server grant an address at once" },
                "clientIdentifier": {
                  "enum": ["attachment", "duid"], "default": "attachment",
                  "description": "option 61: container/network/interface as the reference has it, or the identifier of RFC 4361"
                }
              }
            }
          },
          "$defs": {
            "option": {
              "type": "string",
              "pattern": "^(subnet-mask|routers|host-name|vendor-class-identifier|dhcp-client-identifier|user-class|[0-9]{1,3})$",
              "examples": ["host-name", "121"]
            }
          }
        }
        """
}
