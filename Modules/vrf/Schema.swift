extension VRF {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "vrf",
          "type": "object",
          "properties": {
            "type": { "const": "vrf" },
            "vrfname": { "type": "string", "minLength": 1, "maxLength": 15, "description": "the VRF in the container" },
            "table": {
              "type": "integer", "minimum": 0, "maximum": 4294967295, "default": 0, "description": "its routing table; 0 is a free one"
            }
          },
          "required": ["vrfname"]
        }
        """
}
