import CLinux
import Linux

/// What the dynamic linker will read in a shared object of 64 bits: elf(5). Nothing of it is run.
public final class SharedObject {
    private let path: String
    private let file: FileDescriptor
    private let header: Elf64_Ehdr
    private let segments: [Elf64_Phdr]
    private var dynamic: [(tag: Int, value: Int)] = []

    /// Nil where `path` is no such file.
    public init?(_ path: String) {
        guard let file = try? FileDescriptor.open(path, O_RDONLY), let start = file.bytes(at: 0, count: 1024), start.count >= 64,
            Array(start[0..<6]) == [0x7f, 0x45, 0x4c, 0x46, 2, 1]
        else { return nil }
        let header = SharedObject.load(start, at: 0, as: Elf64_Ehdr.self)
        let (tableStart, tableSize) = (Int(clamping: header.e_phoff), Int(header.e_phnum) * MemoryLayout<Elf64_Phdr>.size)
        guard header.e_type == UInt16(ET_DYN), header.e_phentsize == UInt16(MemoryLayout<Elf64_Phdr>.size), tableStart < 1 << 40,
            let table = tableStart + tableSize <= start.count
                ? Array(start[tableStart..<tableStart + tableSize]) : file.bytes(at: tableStart, count: tableSize)
        else { return nil }
        self.path = path
        self.header = header
        segments = SharedObject.list(table, of: Elf64_Phdr.self)
        self.file = file
        guard let place = segments.first(where: { $0.p_type == UInt32(PT_DYNAMIC) }), place.p_filesz < 1 << 16,
            let entries = self.file.bytes(at: Int(clamping: place.p_offset), count: Int(place.p_filesz))
        else { return nil }
        // d_un is a union of two numbers of 64 bits.
        let words = SharedObject.list(entries, of: Int.self)
        for index in stride(from: 0, to: words.count - 1, by: 2) where words[index] != Int(DT_NULL) {
            dynamic.append((words[index], words[index + 1]))
        }
    }

    private static func load<T: BitwiseCopyable>(_ bytes: [UInt8], at offset: Int, as type: T.Type) -> T {
        bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    private static func list<T: BitwiseCopyable>(_ bytes: [UInt8], of type: T.Type) -> [T] {
        (0..<bytes.count / MemoryLayout<T>.size).map { load(bytes, at: $0 * MemoryLayout<T>.size, as: type) }
    }

    private func value(_ tag: Int32) -> Int? {
        for entry in dynamic where entry.tag == Int(tag) { return entry.value }
        return nil
    }

    /// Where in the file an address is that the object will have.
    private func offset(of address: Int) -> Int? {
        for segment in segments where segment.p_type == UInt32(PT_LOAD) {
            let start = Int(clamping: segment.p_vaddr)
            if address < start || address - start >= Int(clamping: segment.p_filesz) { continue }
            return address - start + Int(clamping: segment.p_offset)
        }
        return nil
    }

    /// The texts of entries of the dynamic section whose values are places in the table of strings.
    private func texts(_ tags: [Int32]) -> [String] {
        let places = dynamic.filter { entry in tags.contains { Int($0) == entry.tag } }.map { $0.value }
        if places.isEmpty { return [] }
        guard let address = value(DT_STRTAB), let start = offset(of: address) else { return [] }
        return places.map { String(decoding: (file.bytes(at: start + $0, count: 4096) ?? []).prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// DT_RPATH or DT_RUNPATH: where else than in the system's directories the linker looks for what the object needs.
    public var searchPaths: [String] {
        let directory = PathList.parent(of: path)
        return texts([DT_RPATH, DT_RUNPATH]).flatMap { list in
            list.utf8.split(separator: 0x3a, omittingEmptySubsequences: false).map { part in
                let part = String(Substring(part))
                for word in ["$ORIGIN", "${ORIGIN}"] where part.hasPrefix(word) {
                    return directory + String(Substring(part.utf8.dropFirst(word.utf8.count)))
                }
                return part
            }
        }
    }

    /// The libraries that it needs, by name: DT_NEEDED.
    public var needed: [String] { texts([DT_NEEDED]) }

    /// Whether its own code is changed when it is loaded: DT_TEXTREL.
    public var changesItsCode: Bool { value(DT_TEXTREL) != nil || (value(DT_FLAGS) ?? 0) & Int(DF_TEXTREL) != 0 }

    /// Whether loading it makes the stack executable: it says so, or says nothing.
    public var wantsExecutableStack: Bool {
        guard let stack = segments.first(where: { $0.p_type == UInt32(PT_GNU_STACK) }) else { return true }
        return stack.p_flags & UInt32(PF_X) != 0
    }

    /// The names that it exports: global and weak symbols that are defined in it.
    public var exports: [String] {
        guard header.e_shentsize == UInt16(MemoryLayout<Elf64_Shdr>.size),
            let sections = file.bytes(at: Int(clamping: header.e_shoff), count: Int(header.e_shnum) * MemoryLayout<Elf64_Shdr>.size),
            let place = SharedObject.list(sections, of: Elf64_Shdr.self).first(where: { $0.sh_type == UInt32(SHT_DYNSYM) }),
            let table = file.bytes(at: Int(clamping: place.sh_offset), count: Int(clamping: min(place.sh_size, 16 << 20))),
            let strings = value(DT_STRTAB).flatMap({ offset(of: $0) }), let size = value(DT_STRSZ),
            let texts = file.bytes(at: strings, count: min(size, 16 << 20))
        else { return [] }
        return SharedObject.list(table, of: Elf64_Sym.self).compactMap { symbol in
            let binding = Int32(symbol.st_info >> 4)
            let visibility = Int32(symbol.st_other & 3)
            guard symbol.st_shndx != 0, binding == STB_GLOBAL || binding == STB_WEAK,
                visibility == STV_DEFAULT || visibility == STV_PROTECTED, Int(symbol.st_name) < texts.count
            else { return nil }
            return String(decoding: texts[Int(symbol.st_name)...].prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
