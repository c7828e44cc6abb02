import CatenaABI
import ModuleABI

/// What a module tells of itself: the metadata of `catena_module`.
///
/// All texts are static: they live as long as the module is loaded, as the ABI wants it.
public struct ModuleDescriptor: Sendable {
    /// What a module is for.
    public enum Kind: UInt32, Sendable {
        case interface = 1
        case ipam = 2
        case meta = 3
    }

    let type: StaticString
    let kind: Kind
    let version: StaticString
    let description: StaticString
    let capabilities: [StaticString]
    let schema: StaticString

    /// - Parameters:
    ///   - type: the plugin's name.
    ///   - version: the module's own version; that of Catena where it comes with it.
    ///   - description: one line for people.
    ///   - capabilities: what it takes from `runtimeConfig`.
    ///   - schema: a JSON Schema (2020-12) of its configuration.
    public init(
        type: StaticString, kind: Kind, version: StaticString = CatenaVersion.text, description: StaticString,
        capabilities: [StaticString] = [], schema: StaticString
    ) {
        self.type = type
        self.kind = kind
        self.version = version
        self.description = description
        self.capabilities = capabilities
        self.schema = schema
    }
}

/// A module's function for one operation, as C calls it.
public typealias ModuleFunction = @convention(c) (UnsafePointer<catena_call>?) -> Int32

extension ModuleDescriptor {
    /// Makes the struct that `catena_module_entry` returns; nil where the host speaks another ABI. It is never freed: it has to live as
    /// long as the module is loaded, and is made once.
    public func module(
        for hostABI: UInt32, add: ModuleFunction, del: ModuleFunction?, check: ModuleFunction?, gc: ModuleFunction?,
        status: ModuleFunction?,
        repair: ModuleFunction? = nil
    ) -> UnsafePointer<catena_module>? {
        guard hostABI == UInt32(CATENA_ABI_MAJOR) else { return nil }
        var module = catena_module()
        module.size = UInt32(MemoryLayout<catena_module>.size)
        module.abi_major = UInt32(CATENA_ABI_MAJOR)
        module.kind = kind.rawValue
        module.type = ModuleDescriptor.pointer(type)
        module.version = ModuleDescriptor.pointer(version)
        module.description = ModuleDescriptor.pointer(description)
        module.cni_versions = ModuleDescriptor.list(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
        module.capabilities = ModuleDescriptor.list(capabilities)
        module.schema = ModuleDescriptor.pointer(schema)
        module.add = add
        module.del = del
        module.check = check
        module.gc = gc
        module.status = status
        module.repair = repair
        let memory = UnsafeMutablePointer<catena_module>.allocate(capacity: 1)
        memory.initialize(to: module)
        return UnsafePointer(memory)
    }

    private static func pointer(_ text: StaticString) -> UnsafePointer<CChar>? {
        UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
    }

    private static func list(_ texts: [StaticString]) -> UnsafePointer<UnsafePointer<CChar>?>? {
        let memory = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: texts.count + 1)
        for (index, text) in texts.enumerated() { (memory + index).initialize(to: pointer(text)) }
        (memory + texts.count).initialize(to: nil)
        return UnsafePointer(memory)
    }
}
