// A module in Swift that traps on ADD: an index out of range.

@_cdecl("catena_module_entry")
public func moduleEntry(_ hostABI: UInt32) -> UnsafePointer<catena_module>? {
    guard hostABI == CATENA_ABI_MAJOR else { return nil }
    func text(_ words: StaticString) -> UnsafePointer<CChar> { UnsafeRawPointer(words.utf8Start).assumingMemoryBound(to: CChar.self) }
    let versions = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: 2)
    versions[0] = text("1.0.0")
    versions[1] = nil
    let module = UnsafeMutablePointer<catena_module>.allocate(capacity: 1)
    module.initialize(to: catena_module())
    module.pointee.size = UInt32(MemoryLayout<catena_module>.size)
    module.pointee.abi_major = CATENA_ABI_MAJOR
    module.pointee.kind = CATENA_KIND_META
    module.pointee.type = text("traps")
    module.pointee.version = text("1.0.0")
    module.pointee.description = text("traps")
    module.pointee.cni_versions = UnsafePointer(versions)
    module.pointee.add = { call in
        let numbers: [Int32] = [0]
        return numbers[Int(call?.pointee.operation ?? 1)]
    }
    return UnsafePointer(module)
}
