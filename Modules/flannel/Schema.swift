extension Flannel {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "flannel",
          "type": "object",
          "properties": {
            "type": { "const": "flannel" },
            "subnetFile": { "type": "string", "default": "/run/flannel/subnet.env", "description": "what flanneld writes" },
            "dataDir": {
              "type": "string", "default": "/var/lib/cni/flannel", "description": "where the delegates' configurations are kept"
            },
            "delegate": {
              "type": "object",
              "properties": {
                "type": { "type": "string", "minLength": 1, "not": { "const": "flannel" }, "default": "bridge" },
                "name": false,
                "ipam": false
              },
              "additionalProperties": true,
              "description": "keys for the delegate"
            },
            "ipam": {
              "type": "object",
              "properties": { "type": { "type": "string", "default": "host-local" }, "routes": { "type": "array" } },
              "additionalProperties": true,
              "description": "keys for the delegate's ipam; ranges are flannel's"
            },
            "runtimeConfig": { "type": "object", "description": "handed to the delegate" }
          }
        }
        """
}
