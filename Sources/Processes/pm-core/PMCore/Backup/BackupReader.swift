import PMSystem

/// Reads a backup file from its start to its end. What it gives out is genuine and in order, and so
/// far as `end` did not throw, whole.
final class BackupReader {
  private let file: OwnedDescriptor
  private let opener: BackupOpener
  private var offset = 0
  /// What was opened and not taken.
  private var plain = ByteBuffer()

  init(
    _ file: consuming OwnedDescriptor, passphrase: borrowing Span<UInt8>
  ) throws(BackupFault) {
    var head = ByteBuffer()
    try Self.read(file, at: 0, BackupHead.byteCount, into: &head)
    opener = try BackupOpener(try BackupHead(reading: head.bytes, passphrase: passphrase))
    offset = head.count
    self.file = file
  }

  /// Fewer bytes only at the end of the file.
  private static func read(
    _ file: borrowing OwnedDescriptor, at offset: Int, _ count: Int, into buffer: inout ByteBuffer
  ) throws(BackupFault) {
    let before = buffer.count
    do throws(SystemError) {
      while buffer.count - before < count {
        let done = buffer.count - before
        let n = try FileIO.read(file, at: offset + done, upTo: count - done, into: &buffer)
        if n == 0 { return }
      }
    } catch { throw .system(error) }
  }

  /// Opens the next frame.
  private func advance() throws(BackupFault) {
    guard !opener.hasEnded else { throw .unknownContents }
    var bytes = ByteBuffer()
    try Self.read(file, at: offset, BackupFrame.headBytes, into: &bytes)
    guard bytes.count == BackupFrame.headBytes else { throw .truncated(frame: opener.number) }
    let frame = try opener.begin(bytes.span)
    offset += bytes.count
    bytes.clear()
    try Self.read(file, at: offset, frame.sealedBytes, into: &bytes)
    guard bytes.count == frame.sealedBytes else { throw .truncated(frame: opener.number) }
    offset += bytes.count
    try opener.open(frame, bytes.span, into: &plain)
  }

  /// Appends some of the next `count` bytes, at least one.
  func take(upTo count: Int, into out: inout ByteBuffer) throws(BackupFault) {
    while plain.isEmpty { try advance() }
    let piece = min(count, plain.count)
    out.append(plain.span.extracting(0..<piece))
    plain.consume(piece)
  }

  /// The next `count` bytes at once, for a few.
  func take(_ count: Int) throws(BackupFault) -> [UInt8] {
    var bytes = ByteBuffer()
    while bytes.count < count { try take(upTo: count - bytes.count, into: &bytes) }
    return bytes.bytes
  }

  /// Confirms that there is nothing more, and that nothing was cut off.
  func end() throws(BackupFault) {
    while !opener.hasEnded { try advance() }
    guard plain.isEmpty else { throw .unknownContents }
    var rest = ByteBuffer()
    try Self.read(file, at: offset, 1, into: &rest)
    guard rest.isEmpty else { throw .longer }
  }
}
