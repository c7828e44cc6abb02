import CNI
import CatenaABI

/// Attachments as the C structs of `catena/module.h`.
public enum AttachmentStructs {
    /// The list as a C array that lives as long as `arena`; nil for an empty one.
    public static func write(_ attachments: [Attachment], into arena: Arena) -> UnsafePointer<UnsafePointer<catena_attachment>?>? {
        arena.array(
            attachments.map { attachment in
                var raw = catena_attachment()
                raw.size = UInt32(MemoryLayout<catena_attachment>.size)
                raw.container_id = arena.string(attachment.containerID)
                raw.ifname = arena.string(attachment.interfaceName)
                return arena.store(raw)
            })
    }
}
