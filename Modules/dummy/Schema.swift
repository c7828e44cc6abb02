extension Dummy {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "dummy",
          "type": "object",
          "properties": {
            "type": { "const": "dummy" },
            "ipam": {
              "type": "object",
              "properties": { "type": { "type": "string", "minLength": 1, "description": "the plugin that gives addresses" } },
              "required": ["type"]
            },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" }
          },
          "required": ["ipam"]
        }
        """
}
