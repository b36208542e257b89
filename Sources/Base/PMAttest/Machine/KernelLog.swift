internal import PMJSON

/// Messages of the kernel itself, out of what reading /dev/kmsg gave.
///
/// Method: only facility 0 counts, which user space cannot write, and a message is matched from its
/// first byte, because the kernel repeats its command line at facility 0. Bytes are compared, not
/// characters: Unicode calls different bytes equal. A continuation is joined to the message of
/// facility 0 before it; one without a message before it has no first byte and is dropped.
///
/// Format: Documentation/ABI/testing/dev-kmsg of the kernel.
public struct KernelLog: Sendable {
  /// In the order of the log, entries of the journal last.
  public private(set) var messages: [[UInt8]] = []
  /// The number of the oldest record; above 0 if the kernel has overwritten the start of its log.
  public private(set) var oldestSequence: UInt64?

  public init(records: [[UInt8]]) {
    for record in records { take(record) }
  }

  /// `prio,seq,usec,flags[,more];message`, then property lines, which are not searched.
  private mutating func take(_ record: [UInt8]) {
    let line = record.prefix { $0 != UInt8(ascii: "\n") }
    guard let semicolon = line.firstIndex(of: UInt8(ascii: ";")) else { return }
    let fields = line[..<semicolon].split(
      separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard fields.count >= 4, let priority = Self.decimal(fields[0]),
      let sequence = Self.decimal(fields[1]), Self.decimal(fields[2]) != nil
    else { return }
    if oldestSequence == nil { oldestSequence = sequence }
    let facility = priority >> 3
    guard facility == 0 else { return }
    let message = line[(semicolon + 1)...]
    let flags = fields[3]
    if flags.elementsEqual("c".utf8) || flags.elementsEqual("+".utf8) {
      if let last = messages.indices.last { messages[last] += message }
    } else {
      messages.append(Array(message))
    }
  }

  /// Digits only: the initialiser of numbers would take a sign.
  private static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
    let isPlain = digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    return isPlain ? UInt64(String(decoding: digits, as: UTF8.self)) : nil
  }

  /// Takes lines of the journal (systemd.journal-fields(7)), one JSON object each. Fields that
  /// start with an underscore are the journal's own; facility 0 is the kernel's alone there, too.
  public mutating func append(journal lines: [[UInt8]]) {
    for line in lines {
      guard let entry = try? JSONReader.read(line), entry["_TRANSPORT"]?.string == "kernel",
        entry["SYSLOG_FACILITY"]?.string == "0", let message = entry["MESSAGE"]?.string
      else { continue }
      messages.append(Array(message.utf8))
    }
  }

  /// The message that says what such a machine's log must say.
  public func line(for platform: Platform) throws(FailureToken) -> String {
    if messages.isEmpty { throw .kmsgUnreadable }
    let found =
      switch platform {
      case .snp: messages.first(where: Self.saysSNP)
      case .azure: azureLine
      }
    guard let found else { throw platform == .snp ? .kmsgNoSNP : .kmsgNoIsolation }
    return String(decoding: found, as: UTF8.self)
  }

  /// Isolation needs a second witness: that memory encryption is active.
  private var azureLine: [UInt8]? {
    guard messages.contains(where: { $0.starts(with: Self.azureMemory.utf8) }) else { return nil }
    return messages.first(where: Self.saysIsolation)
  }

  /// Since Linux 5.19, and before.
  private static let memoryPrefixes = [
    "Memory Encryption Features active:", "AMD Memory Encryption Features active:",
  ]
  private static let azureMemory = "Memory Encryption Features active: AMD SEV"

  private static func saysSNP(_ message: [UInt8]) -> Bool {
    guard let prefix = memoryPrefixes.first(where: { message.starts(with: $0.utf8) }) else {
      return false
    }
    return message.dropFirst(prefix.utf8.count).split(separator: UInt8(ascii: " "))
      .contains { $0.elementsEqual("SEV-SNP".utf8) }
  }

  /// Group A bit 0: a paravisor is there. Group B bits 3 to 0: the kind of isolation, 2 is SNP.
  private static func saysIsolation(_ message: [UInt8]) -> Bool {
    var rest = message[...]
    guard take("Hyper-V: Isolation Config: Group A 0x", from: &rest) else { return false }
    let first = rest.prefix { $0 != UInt8(ascii: ",") }
    rest = rest.dropFirst(first.count)
    guard take(", Group B 0x", from: &rest), let groupA = hexadecimal(first),
      let groupB = hexadecimal(rest)
    else { return false }
    return groupA & 1 == 1 && groupB & 0xF == 2
  }

  private static func take(_ text: String, from rest: inout ArraySlice<UInt8>) -> Bool {
    guard rest.starts(with: text.utf8) else { return false }
    rest = rest.dropFirst(text.utf8.count)
    return true
  }

  /// One to eight lower-case digits and nothing else.
  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt32? {
    let isPlain = digits.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }
    guard isPlain, (1...8).contains(digits.count) else { return nil }
    return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}
