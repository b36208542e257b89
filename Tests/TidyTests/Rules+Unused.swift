/// Declarations that nobody names again.
///
/// Method: names are counted as words. A declaration is unused if its name stands, within its
/// reach, nowhere but in declarations of that name. So a name that two declarations share hides the
/// unused one; what is told is always right. Initialisers and operators have no name to count.
enum UnusedRules {
  static func unused(_ tree: Tree) -> [Finding] {
    let files = tree.files.compactMap(File.init)
    var modules: [String: [String: Int]] = [:]
    var tests: [String: Int] = [:]
    var everywhere: [String: Int] = [:]
    // Who does what a protocol demands is called through the protocol.
    var demanded: Set<String> = []
    for file in files {
      demanded.formUnion(file.declarations.filter { $0.reach == .demand }.map(\.name))
      modules[file.module, default: [:]].merge(file.uses) { $0 + $1 }
      if file.tree.isIn("Tests") { tests.merge(file.uses) { $0 + $1 } }
      everywhere.merge(file.uses) { $0 + $1 }
    }
    return files.flatMap { file in
      file.declarations.filter { declaration in
        let name = declaration.name
        if Exceptions.namedByOthers[name] != nil { return false }
        return switch declaration.reach {
        case _ where demanded.contains(name): everywhere[name, default: 0] <= 0
        case .file: file.uses[name, default: 0] <= 0
        case .module:
          modules[file.module]?[name, default: 0] ?? 0 <= 0 && tests[name, default: 0] <= 0
        case .everywhere, .demand: everywhere[name, default: 0] <= 0
        }
      }
      .map { Finding(.unused, file.tree.path, $0.line + 1, "\($0.name) is named nowhere else") }
    }
  }

  private enum Reach {
    case file, module, everywhere
    /// What a protocol wants of its types.
    case demand
  }

  private struct Declaration {
    var name: String
    var reach: Reach
    /// Counted from 0.
    var line: Int
  }

  private struct File {
    let tree: TreeFile
    let module: String
    var declarations: [Declaration] = []
    /// How often each word stands here, less the declarations of that name.
    var uses: [String: Int]

    init?(_ tree: TreeFile) {
      guard let text = tree.swift, tree.isIn("Sources") || tree.isIn("Tests") else { return nil }
      self.tree = tree
      module =
        Layers.module(of: tree.path)
        ?? tree.path.split(separator: "/").dropLast().prefix(3).joined(separator: "/")
      uses = Words.counts(in: text.codeLines)
      let tests = File.namedByAttribute(text)
      for (index, line) in text.codeLines.enumerated() {
        for declaration in UnusedRules.declared(line, at: index, in: text) {
          uses[declaration.name, default: 0] -= 1
          if !tests.contains(index) { declarations.append(declaration) }
        }
      }
    }

    /// Tests and suites: their attribute is what calls them.
    private static func namedByAttribute(_ text: SwiftText) -> Set<Int> {
      var lines: Set<Int> = []
      for (index, line) in text.codeLines.enumerated() {
        let isSuite = line.hasPrefix("@Suite")
        guard isSuite || line.trimmed.hasPrefix("@Test") else { continue }
        let named = text.codeLines[index...].firstIndex {
          Words.contains(isSuite ? "struct" : "func", in: $0)
        }
        if let named { lines.insert(named) }
      }
      // A struct of tests needs no attribute.
      let hasTests = !lines.isEmpty
      for (index, line) in text.codeLines.enumerated() where hasTests && line.contains("Tests {") {
        lines.insert(index)
      }
      return lines
    }
  }

  private static let modifiers: Set<Substring> = [
    "public", "private", "fileprivate", "internal", "package", "open", "static", "final",
    "mutating", "nonmutating", "borrowing", "consuming", "nonisolated", "indirect", "weak", "lazy",
    "unowned", "private(set)", "fileprivate(set)", "internal(set)", "unsafe",
  ]
  private static let keywords: Set<Substring> = [
    "func", "var", "let", "struct", "enum", "class", "actor", "protocol", "typealias",
  ]

  private static func declared(
    _ line: Substring, at index: Int, in text: SwiftText
  ) -> [Declaration] {
    var words = line.split(separator: " ")[...]
    var isPrivate = false
    while let word = words.first, modifiers.contains(word) || word.hasPrefix("@") {
      isPrivate = isPrivate || word == "private" || word == "fileprivate"
      words = words.dropFirst()
    }
    if words.first == "class", let next = words.dropFirst().first, keywords.contains(next) {
      words = words.dropFirst()
    }
    guard let keyword = words.first else { return [] }
    if keyword == "case" { return cases(line, at: index, in: text) }
    guard keywords.contains(keyword), let name = words.dropFirst().first.flatMap(identifier) else {
      return []
    }
    let around = surrounding(index, in: text)
    let isPublic =
      around.hasPrefix("public extension") || line.split(separator: " ").contains("public")
    let reach: Reach =
      Words.contains("protocol", in: around)
      ? .demand : isPrivate ? .file : isPublic ? .everywhere : .module
    return [Declaration(name: name, reach: reach, line: index)]
  }

  /// The cases of an enum; those that are made of raw values are named by what comes from outside.
  private static func cases(_ line: Substring, at index: Int, in text: SwiftText) -> [Declaration] {
    let around = surrounding(index, in: text)
    guard Words.contains("enum", in: around), !line.contains(" let "),
      let start = Words.offsets(of: "case", in: line).first
    else { return [] }
    let raw = ["CaseIterable", "String", "Int", "UInt"]
    let isRaw = around.split { !Words.isPart($0.utf8.first ?? 0) }.contains { word in
      raw.contains { word.hasPrefix($0) }
    }
    if isRaw { return [] }
    var depth = 0
    var items: [[UInt8]] = [[]]
    for byte in Array(line.utf8).dropFirst(start + 4) {
      switch byte {
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"): depth -= 1
      case UInt8(ascii: ":") where depth == 0: return []
      case UInt8(ascii: ",") where depth == 0: items.append([])
      default: if depth == 0 { items[items.count - 1].append(byte) }
      }
    }
    return items.compactMap { item in
      let word = String(decoding: item, as: UTF8.self).split(separator: " ").first
      return word.flatMap(identifier).map { Declaration(name: $0, reach: .everywhere, line: index) }
    }
  }

  /// The line that opens the block of a declaration: the nearest one above that is less indented.
  private static func surrounding(_ index: Int, in text: SwiftText) -> Substring {
    let depth = indentation(text.codeLines[index])
    return text.codeLines[..<index].last { line in
      indentation(line) < depth && !line.utf8.allSatisfy { $0 == 0x20 }
    } ?? ""
  }
  private static func indentation(_ line: Substring) -> Int {
    line.utf8.prefix { $0 == 0x20 }.count
  }

  /// The name at the start of a word, without back-ticks.
  private static func identifier(_ word: Substring) -> String? {
    let name = word.utf8.drop { $0 == UInt8(ascii: "`") }.prefix { Words.isPart($0) }
    guard let first = name.first, first < 0x30 || first > 0x39, first != UInt8(ascii: "_") else {
      return nil
    }
    return String(decoding: Array(name), as: UTF8.self)
  }
}

extension Words {
  /// How often each word stands in the lines.
  static func counts(in lines: [Substring]) -> [String: Int] {
    var counts: [String: Int] = [:]
    var word: [UInt8] = []
    func end() {
      if !word.isEmpty { counts[String(decoding: word, as: UTF8.self), default: 0] += 1 }
      word.removeAll(keepingCapacity: true)
    }
    for line in lines {
      for byte in line.utf8 {
        if isPart(byte) { word.append(byte) } else if !word.isEmpty { end() }
      }
      end()
    }
    return counts
  }
}
