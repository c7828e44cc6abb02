extension Tuning {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "tuning",
          "type": "object",
          "properties": {
            "type": { "const": "tuning" },
            "sysctl": { "$ref": "#/$defs/sysctl" },
            "mac": { "type": "string", "description": "the hardware address" },
            "promisc": { "type": "boolean", "default": false, "description": "true: promiscuous mode; false leaves it" },
            "mtu": { "type": "integer", "minimum": 0, "default": 0, "description": "0 leaves it" },
            "allmulti": { "type": "boolean", "description": "receive all multicast packets" },
            "txQLen": { "type": "integer", "minimum": 0, "description": "how many packets may wait to be sent" },
            "dataDir": { "type": "string", "default": "/run/cni/tuning", "description": "where the values before ADD are kept" },
            "runtimeConfig": { "type": "object", "properties": { "mac": { "type": "string" } } },
            "args": {
              "type": "object",
              "properties": {
                "cni": {
                  "type": "object",
                  "properties": {
                    "sysctl": { "$ref": "#/$defs/sysctl" },
                    "mac": { "type": "string" },
                    "promisc": { "type": "boolean" },
                    "mtu": { "type": "integer", "minimum": 0 },
                    "allmulti": { "type": "boolean" },
                    "txQLen": { "type": "integer", "minimum": 0 }
                  }
                }
              }
            }
          },
          "$defs": {
            "sysctl": {
              "type": "object",
              "propertyNames": { "pattern": "^/*net[./]" },
              "additionalProperties": { "type": "string" },
              "description": "kernel parameters under net, as net.ipv4.conf.IFNAME.arp_filter: IFNAME stands for the interface"
            }
          }
        }
        """
}
