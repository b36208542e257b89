/// The rules about Swift code. Each takes one file and gives what it finds.
enum CodeRules {
  static let all: [FileRule] = [
    layers, mainIsThin, bannedCalls, textInErrors, escapes, unsafety, names,
  ]

  static func layers(_ file: TreeFile) -> [Finding] {
    guard file.isSwift, file.isIn("Sources") else { return [] }
    guard let module = Layers.module(of: file.path), let allowed = Layers.imports[module] else {
      return [Finding(.layers, file.path, 0, "its module is not in the layer table")]
    }
    return each(file) { line in
      guard let name = imported(line), !allowed.contains(name) else { return nil }
      return Finding(.layers, "", 0, "\(module) may not import \(name)")
    }
  }

  /// The module that an import line names.
  private static func imported(_ line: Substring) -> String? {
    let words = line.split(separator: " ")
    guard let index = words.firstIndex(of: "import"), index + 1 < words.count,
      words[..<index].allSatisfy({ $0.hasPrefix("@") || access.contains($0) })
    else { return nil }
    // `import struct Module.Name` names the module last.
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let"]
    let name =
      kinds.contains(words[index + 1]) && index + 2 < words.count
      ? words[index + 2] : words[index + 1]
    return name.split(separator: ".").first.map(String.init)
  }
  private static let access: Set<Substring> = [
    "public", "package", "internal", "fileprivate", "private",
  ]

  static let mainLinesMax = 15

  static func mainIsThin(_ file: TreeFile) -> [Finding] {
    guard file.name == "main.swift" else { return [] }
    var findings = each(file) { line in
      guard line.contains("{") else { return nil }
      return Finding(
        .main, "", 0, "top-level closures run on the main actor: call a library instead")
    }
    if file.lines.count - 1 > mainLinesMax {
      findings.append(Finding(.main, file.path, 0, "more than \(mainLinesMax) lines"))
    }
    return findings
  }

  /// Calls that this house does without, and what to use.
  static let banned: [(call: String, instead: String)] = [
    ("import Foundation", "Glibc in PMSystem; it pulls in ICU"),
    ("String(format:", "interpolation"),
    ("Process()", "Spawn of PMSystem"),
    ("FileHandle", "OwnedDescriptor"),
    ("Thread.", "startThread of PMSystem"),
    ("NSLock", "Mutex"),
    ("JSONSerialization", "JSONReader"),
    ("replacingOccurrences", "split and joined"),
    ("trimmingCharacters", "drop(while:)"),
    ("ISO8601DateFormatter", "CivilTime"),
    ("localizedDescription", "a closed error and words at the rim"),
    ("fork()", "Spawn of PMSystem"),
    ("signal(", "SignalSource of PMSystem"),
    ("getenv(", "Environment of PMSystem"),
    ("Task.sleep", "a deadline of the loop"),
    ("Date()", "WallTime or Instant, handed in"),
    ("fatalError(", "a typed error, or precondition for a mistake of ours"),
    ("print(", "Log, or the CLI's own output"),
  ]

  static func bannedCalls(_ file: TreeFile) -> [Finding] {
    guard file.isSwift, file.isIn("Sources") else { return [] }
    let mayPrint = Layers.module(of: file.path).map { Layers.mayPrint.contains($0) } ?? false
    let mentioned = banned.filter { file.mentions($0.call) && !(mayPrint && $0.call == "print(") }
    if mentioned.isEmpty { return [] }
    return each(file) { line in
      for (call, instead) in mentioned {
        for offset in Words.offsets(of: call, in: line) {
          let before = String(decoding: Array(line.utf8)[..<offset], as: UTF8.self).trimmed
          // A member or a case of that name is something else.
          if before.hasSuffix(".") || before.hasSuffix("case") || before.hasSuffix("func") {
            continue
          }
          return Finding(.bannedCall, "", 0, "\(call) is not used here; instead: \(instead)")
        }
      }
      return nil
    }
  }

  /// Text in an error or in a log event could carry content of a request.
  static func textInErrors(_ file: TreeFile) -> [Finding] {
    guard let text = file.swift, file.isIn("Sources"),
      file.mentions("Error") || file.mentions("Event"),
      !Exceptions.textInErrors.keys.contains(file.path)
    else { return [] }
    let lines = text.codeLines
    var findings: [Finding] = []
    for (index, line) in lines.enumerated() where isErrorType(line) || isLogEvent(line, file) {
      guard let block = text.block(from: index) else { continue }
      for inner in block where hasTextPayload(lines[inner]) {
        findings.append(
          Finding(.textInError, file.path, inner + 1, "an error or log event carries text"))
      }
    }
    return findings
  }

  private static func isErrorType(_ line: Substring) -> Bool {
    guard Words.contains("enum", in: line) || Words.contains("struct", in: line) else {
      return false
    }
    return line.split(separator: ":").dropFirst().contains { Words.contains("Error", in: $0) }
  }
  private static func isLogEvent(_ line: Substring, _ file: TreeFile) -> Bool {
    file.isIn("Sources/Base/PMLog") && file.name.hasSuffix("Event.swift")
      && Words.contains("enum", in: line)
  }
  private static func hasTextPayload(_ line: Substring) -> Bool {
    let isCase = line.trimmed.hasPrefix("case ") && line.contains("(")
    let isStored =
      (Words.contains("let", in: line) || Words.contains("var", in: line))
      && !line.contains("{") && !line.contains("=")
    return (isCase || isStored)
      && ["String", "Substring", "any Error", "Any"].contains { Words.contains($0, in: line) }
  }

  static func escapes(_ file: TreeFile) -> [Finding] {
    guard file.isIn("Sources"),
      file.mentions("!") || file.mentions("unsafe")
        || file.mentions("@unchecked")
    else { return [] }
    return each(file) { line in
      for phrase in [
        "@unchecked Sendable", "nonisolated(unsafe)", "try!", "as!", "unowned(unsafe)",
      ]
      where line.contains(phrase) {
        return Finding(.escape, "", 0, "\(phrase) needs a listed reason")
      }
      return isForced(line)
        ? Finding(.escape, "", 0, "! forces an optional; handle its nil by name") : nil
    }
  }

  /// An exclamation mark right behind a value, and not part of `!=`.
  private static func isForced(_ line: Substring) -> Bool {
    let bytes = Array(line.utf8)
    return bytes.indices.contains { index in
      guard bytes[index] == UInt8(ascii: "!"), index > 0 else { return false }
      let before = bytes[index - 1]
      let isBehindValue =
        Words.isPart(before) || before == UInt8(ascii: ")")
        || before == UInt8(ascii: "]") || before == UInt8(ascii: "?")
      let isComparison = index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "=")
      return isBehindValue && !isComparison
    }
  }

  static func unsafety(_ file: TreeFile) -> [Finding] {
    guard file.mentions("unsafe"), let module = Layers.module(of: file.path),
      !Layers.mayBeUnsafe.contains(module)
    else { return [] }
    return each(file) { line in
      guard Words.contains("unsafe", in: line) else { return nil }
      return Finding(.unsafe, "", 0, "\(module) says unsafe; such calls belong into a low module")
    }
  }

  static let vagueNames = [
    "Manager", "Utils", "Util", "Common", "Misc", "Info", "Helper", "Helpers",
  ]

  static func names(_ file: TreeFile) -> [Finding] {
    guard file.isIn("Sources"), vagueNames.contains(where: { file.mentions($0) }) else { return [] }
    return each(file) { line in
      let words = line.split { !Words.isPart($0.utf8.first ?? 0) }
      for (word, next) in zip(words, words.dropFirst())
      where ["class", "struct", "enum", "protocol", "actor"].contains(word) {
        if let vague = vagueNames.first(where: { next.hasSuffix($0) }) {
          return Finding(.names, "", 0, "\(next): \(vague) says nothing; what is its job?")
        }
      }
      return nil
    }
  }

  /// Asks `rule` about each line of code and fills in where it was.
  static func each(_ file: TreeFile, _ rule: (Substring) -> Finding?) -> [Finding] {
    (file.swift?.codeLines ?? []).enumerated().compactMap { index, line in
      guard var finding = rule(line) else { return nil }
      (finding.path, finding.line) = (file.path, index + 1)
      return finding
    }
  }
}
