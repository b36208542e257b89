internal import PMSystem

/// Whose socket listens on a port, by the kernel's tables of TCP sockets (proc(5), /proc/net/tcp).
enum PortOwner {
  /// A machine with as many sockets has other problems; then nobody is the owner.
  private static let tableBytesMax = 64 << 20

  static func uid(listeningOn port: UInt16) -> UInt32? {
    for name in ["tcp6", "tcp"] {
      guard let bytes = try? FileIO.read("/proc/net/\(name)", bytesMax: tableBytesMax) else {
        continue
      }
      if let uid = uid(in: String(decoding: bytes, as: UTF8.self), port: port) { return uid }
    }
    return nil
  }

  /// Fields: number, local and remote address with port in hexadecimal, state, queues, timer,
  /// retransmissions, uid.
  static func uid(in table: String, port: UInt16) -> UInt32? {
    let listening = "0A"
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count > 7, fields[3] == listening,
        let colon = fields[1].lastIndex(of: ":"),
        UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port
      else { continue }
      return UInt32(fields[7])
    }
    return nil
  }
}
