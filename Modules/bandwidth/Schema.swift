extension Bandwidth {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "bandwidth",
          "type": "object",
          "properties": {
            "type": { "const": "bandwidth" },
            "ingressRate": { "type": "integer", "minimum": 0, "description": "bits a second towards the container" },
            "ingressBurst": { "type": "integer", "minimum": 0, "maximum": 34359738359, "description": "bits that may come at once" },
            "egressRate": { "type": "integer", "minimum": 0, "description": "bits a second from the container" },
            "egressBurst": { "type": "integer", "minimum": 0, "maximum": 34359738359, "description": "bits that may go at once" },
            "runtimeConfig": {
              "type": "object",
              "properties": {
                "bandwidth": {
                  "type": "object",
                  "properties": {
                    "ingressRate": { "type": "integer", "minimum": 0 },
                    "ingressBurst": { "type": "integer", "minimum": 0, "maximum": 34359738359 },
                    "egressRate": { "type": "integer", "minimum": 0 },
                    "egressBurst": { "type": "integer", "minimum": 0, "maximum": 34359738359 }
                  }
                }
              }
            }
          },
          "dependentRequired": {
            "ingressRate": ["ingressBurst"], "ingressBurst": ["ingressRate"],
            "egressRate": ["egressBurst"], "egressBurst": ["egressRate"]
          }
        }
        """
}
