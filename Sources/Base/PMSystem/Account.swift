/// A user of the machine, as `/etc/passwd` has it. Name services beyond that file are not asked:
/// they would load code and open sockets.
public struct Account: Equatable, Sendable {
  public let uid: UInt32
  public let gid: UInt32

  public init(uid: UInt32, gid: UInt32) { (self.uid, self.gid) = (uid, gid) }

  /// Larger user tables are not ours.
  public static let tableBytesMax = 1 << 20

  /// Nil if there is no such user.
  public init?(named name: String, in path: String = "/etc/passwd") {
    guard let bytes = try? FileIO.read(path, bytesMax: Self.tableBytesMax) else { return nil }
    self.init(named: name, table: String(decoding: bytes, as: UTF8.self))
  }

  /// passwd(5): name, password, uid, gid, comment, home, shell.
  init?(named name: String, table: String) {
    for line in table.split(separator: "\n") {
      let fields = line.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count >= 4, fields[0] == name, let uid = UInt32(fields[2]),
        let gid = UInt32(fields[3])
      else { continue }
      self.init(uid: uid, gid: gid)
      return
    }
    return nil
  }
}
