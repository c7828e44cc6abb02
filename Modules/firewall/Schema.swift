extension Firewall {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "firewall",
          "type": "object",
          "properties": {
            "type": { "const": "firewall" },
            "backend": {
              "enum": ["", "nftables", "iptables", "firewalld"], "description": "firewalld where it runs, else nftables, unless it is said here"
            },
            "iptablesAdminChainName": {
              "type": "string", "maxLength": 28, "default": "CNI-ADMIN", "description": "the administrator's chain, which comes first"
            },
            "firewalldZone": { "type": "string", "default": "trusted", "description": "firewalld: the zone that the addresses belong to" },
            "ingressPolicy": {
              "enum": ["", "open", "same-bridge", "isolated"], "default": "open",
              "description": "who may reach the container: all; no other bridge with a policy; nor other containers of its bridge"
            }
          }
        }
        """
}
