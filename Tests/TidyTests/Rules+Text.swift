/// The rules about any text file.
enum TextRules {
  static let all: [FileRule] = [bytes, todo, shim, dead]

  static let fileBytesMax = 256 << 10
  static let knownExtensions: Set<String> = [
    "swift", "md", "h", "c", "modulemap", "py", "txt", "json", "service", "conf", "nft", "sh",
    "toml",
    "pem", "der", "bin", "sse", "html", "css", "yaml", "yml", "lua", "cfg", "csv", "sql", "",
  ]

  static func bytes(_ file: TreeFile) -> [Finding] {
    // Fixtures are what a test needs them to be.
    if file.path.split(separator: "/").contains("Fixtures") { return [] }
    var findings: [Finding] = []
    func find(_ line: Int, _ says: String) {
      findings.append(Finding(.bytes, file.path, line, says))
    }
    if !knownExtensions.contains(file.fileExtension), !file.name.hasPrefix(".") {
      find(0, "files ending in .\(file.fileExtension) are not known here")
    }
    if file.bytes.count > fileBytesMax { find(0, "\(file.bytes.count) bytes") }
    let isScript = file.bytes.starts(with: Array("#!".utf8))
    if isScript != file.isExecutable {
      find(0, isScript ? "a script that is not executable" : "executable, but no script")
    }
    if let last = file.bytes.last, last != 0x0A { find(0, "no line end at the end") }
    for (index, line) in file.lines.enumerated() {
      if let fault = fault(in: line) { find(index + 1, fault) }
    }
    return findings
  }

  private static func fault(in line: Substring) -> String? {
    if line.hasSuffix(" ") { return "blanks at the end" }
    for scalar in line.unicodeScalars {
      switch scalar.value {
      case 0x09: return "a tab"
      case 0x0D: return "a carriage return"
      case 0..<0x20, 0x7F..<0xA0: return "a control character"
      case 0x202A...0x202E, 0x2066...0x2069, 0x200E, 0x200F:
        return "a character that changes direction"
      case 0xFFFD: return "bytes that are not UTF-8"
      default: break
      }
    }
    return nil
  }

  /// A remark about later belongs to the tracker; here it names its issue.
  static func todo(_ file: TreeFile) -> [Finding] {
    guard file.isSwift || file.fileExtension == "py" || file.fileExtension == "h",
      ["TODO", "FIXME", "XXX"].contains(where: { file.mentions($0) })
    else { return [] }
    let lines = file.swift?.commentLines ?? file.lines
    return lines.enumerated().compactMap { index, line in
      for word in ["TODO", "FIXME", "XXX"] where Words.contains(word, in: line) {
        let hasIssue = zip(line.utf8, line.utf8.dropFirst())
          .contains { $0 == UInt8(ascii: "#") && (0x30...0x39).contains($1) }
        if !hasIssue {
          return Finding(.todo, file.path, index + 1, "\(word) without an issue number")
        }
      }
      return nil
    }
  }

  static let shimLinesMax = 150
  static let shimReasons = ["macro", "varargs", "hidden", "header"]

  /// C is for what Swift cannot import, and for nothing else.
  static func shim(_ file: TreeFile) -> [Finding] {
    guard file.fileExtension == "h" || file.fileExtension == "c" else { return [] }
    guard file.isIn("Sources/Base"), file.path.split(separator: "/")[2].hasPrefix("C") else {
      return [Finding(.shim, file.path, 0, "C outside Sources/Base/C…")]
    }
    guard file.isIn("Sources/Base/CLinux") else { return [] }
    var findings: [Finding] = []
    if file.lines.count - 1 > shimLinesMax {
      findings.append(Finding(.shim, file.path, 0, "more than \(shimLinesMax) lines"))
    }
    var hasReason = false
    for (index, line) in file.lines.enumerated() {
      let code = line.trimmed
      if code.isEmpty { hasReason = false }
      if code.hasPrefix("//") {
        hasReason = hasReason || shimReasons.contains { Words.contains($0, in: code) }
        continue
      }
      for word in ["if", "for", "while", "malloc", "calloc", "free", "switch", "goto"]
      where Words.contains(word, in: code) && !code.hasPrefix("#") {
        findings.append(Finding(.shim, file.path, index + 1, "\(word) is logic"))
      }
      if code.hasPrefix("static") || code.hasPrefix("extern"), !hasReason {
        let reasons = shimReasons.joined(separator: ", ")
        findings.append(Finding(.shim, file.path, index + 1, "says none of \(reasons)"))
      }
    }
    return findings
  }

  /// Files without code, and tests that expect nothing.
  static func dead(_ file: TreeFile) -> [Finding] {
    guard let text = file.swift else { return [] }
    let lines = text.codeLines
    if lines.allSatisfy({ $0.trimmed.isEmpty }) {
      return [Finding(.dead, file.path, 0, "no code in it")]
    }
    guard file.isIn("Tests") else { return [] }
    let helpers = expectingFunctions(text)
    return lines.indices.compactMap { index in
      guard lines[index].trimmed.hasPrefix("@Test"), let test = test(at: index, in: text),
        !expects(lines[test], helpers)
      else { return nil }
      return Finding(.dead, file.path, index + 1, "a test that expects nothing")
    }
  }

  /// The function behind an attribute, which may stand on lines of its own.
  private static func test(at attribute: Int, in text: SwiftText) -> ClosedRange<Int>? {
    let function = text.codeLines[attribute...].firstIndex { Words.contains("func", in: $0) }
    return function.flatMap { text.block(from: $0) }
  }

  /// Functions of a file that expect something, themselves or through another of them.
  private static func expectingFunctions(_ text: SwiftText) -> Set<String> {
    var names: Set<String> = []
    var known = -1
    while names.count > known {
      known = names.count
      for (index, line) in text.codeLines.enumerated() {
        guard let name = SwiftText.declaredFunction(line), let block = text.block(from: index),
          expects(text.codeLines[block].dropFirst(), names)
        else { continue }
        names.insert(name)
      }
    }
    return names
  }

  private static func expects(_ lines: ArraySlice<Substring>, _ helpers: Set<String>) -> Bool {
    lines.contains { line in
      ["#expect", "#require", "Issue.record"].contains { line.contains($0) }
        || line.split { !Words.isPart($0.utf8.first ?? 0) }.contains { word in
          helpers.contains(String(word))
            || ["expect", "require", "check"].contains { word.hasPrefix($0) }
        }
    }
  }
}
