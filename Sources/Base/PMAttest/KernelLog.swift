/// Messages of the kernel itself, out of what reading /dev/kmsg gave.
///
/// Method: only facility 0 counts, which user space cannot write, and a message is matched from its
/// first byte, because the kernel repeats its command line at facility 0. Records flagged as a
/// continuation are joined to the record of facility 0 before them.
///
/// Format: Documentation/ABI/testing/dev-kmsg of the kernel.
public struct KernelLog: Sendable {
  /// In the order of the log.
  public private(set) var messages: [String] = []

  public init(records: [String]) {
    for record in records { take(record) }
  }

  /// `prio,seq,usec,flags[,more];message`, then property lines, which are not searched.
  private mutating func take(_ record: String) {
    guard let line = record.split(separator: "\n", maxSplits: 1).first,
      let semicolon = line.firstIndex(of: ";")
    else { return }
    let fields = line[..<semicolon].split(separator: ",", omittingEmptySubsequences: false)
    guard fields.count >= 4, let priority = Self.decimal(fields[0]),
      Self.decimal(fields[1]) != nil, Self.decimal(fields[2]) != nil
    else { return }
    guard priority >> 3 == 0 else { return }
    let message = String(line[line.index(after: semicolon)...])
    if fields[3] == "c" || fields[3] == "+", let last = messages.popLast() {
      messages.append(last + message)
    } else {
      messages.append(message)
    }
  }

  /// Digits only: `Int` would take a sign.
  private static func decimal(_ text: Substring) -> UInt64? {
    text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(text) : nil
  }

  /// Nil if the log says what such a machine's must say.
  public func fault(for platform: Platform) -> FailureToken? {
    if messages.isEmpty { return .kmsgUnreadable }
    switch platform {
    case .snp: return messages.contains(where: Self.saysSNP) ? nil : .kmsgNoSNP
    case .azure:
      let isIsolated = messages.contains(where: Self.saysIsolation)
      let isEncrypted = messages.contains { $0.hasPrefix(Self.azureMemory) }
      return isIsolated && isEncrypted ? nil : .kmsgNoIsolation
    }
  }

  /// Since Linux 5.19, and before.
  private static let memoryPrefixes = [
    "Memory Encryption Features active:", "AMD Memory Encryption Features active:",
  ]
  private static let azureMemory = "Memory Encryption Features active: AMD SEV"

  private static func saysSNP(_ message: String) -> Bool {
    guard let prefix = memoryPrefixes.first(where: { message.hasPrefix($0) }) else { return false }
    return message.dropFirst(prefix.count).split(separator: " ").contains("SEV-SNP")
  }

  /// Group A bit 0: a paravisor is there. Group B bits 3 to 0: the kind of isolation, 2 is SNP.
  private static func saysIsolation(_ message: String) -> Bool {
    let first = "Hyper-V: Isolation Config: Group A 0x"
    let second = ", Group B 0x"
    guard message.hasPrefix(first) else { return false }
    let digits = message.dropFirst(first.count)
    let a = digits.prefix { $0.isHexDigit }
    let rest = digits.dropFirst(a.count)
    guard rest.hasPrefix(second), let groupA = hexadecimal(a),
      let groupB = hexadecimal(rest.dropFirst(second.count))
    else { return false }
    return groupA & 1 == 1 && groupB & 0xF == 2
  }

  /// One to eight lower-case digits and nothing else.
  private static func hexadecimal(_ text: Substring) -> UInt32? {
    let isPlain = text.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x61...0x66).contains($0)
    }
    return isPlain && (1...8).contains(text.utf8.count) ? UInt32(text, radix: 16) : nil
  }
}
