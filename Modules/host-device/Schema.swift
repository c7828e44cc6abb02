extension HostDevice {
    /// JSON Schema (2020-12) of the configuration.
    static let schema: StaticString = """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "title": "host-device",
          "type": "object",
          "properties": {
            "type": { "const": "host-device" },
            "device": { "type": "string", "maxLength": 15, "description": "the interface's name in the host" },
            "hwaddr": { "type": "string", "description": "its hardware address" },
            "kernelpath": { "type": "string", "pattern": "^/+sys/+devices/", "description": "the device's directory in sysfs" },
            "pciBusID": { "type": "string", "pattern": "^[0-9A-Za-z:._-]*$", "description": "the device's PCI address" },
            "ipam": { "type": "object", "properties": { "type": { "type": "string" } } },
            "dns": { "type": "object", "description": "replaces IPAM's DNS settings" },
            "runtimeConfig": {
              "type": "object",
              "properties": { "deviceID": { "type": "string", "description": "a PCI address or an auxiliary device" } }
            }
          },
          "anyOf": [
            { "required": ["device"] }, { "required": ["hwaddr"] }, { "required": ["kernelpath"] }, { "required": ["pciBusID"] },
            { "required": ["capabilities"], "properties": { "capabilities": { "required": ["deviceID"] } } },
            { "required": ["runtimeConfig"] }
          ]
        }
        """
}
