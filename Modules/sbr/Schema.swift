extension SourceRouting {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "sbr",
          "type": "object",
          "properties": {
            "type": { "const": "sbr" },
            "table": { "type": "integer", "minimum": 1, "maximum": 4294967295, "description": "a table that someone else fills" },
            "gateways": {
              "type": "array", "maxItems": 2, "items": { "type": "string" },
              "description": "the next hop of each family, in place of the previous result's"
            },
            "addSourceHints": { "type": "boolean", "default": false, "description": "keep routes to the subnets in table main" }
          }
        }
        """
}
