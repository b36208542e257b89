/// What READMEs say of files, types and limits, held against the code.
enum TableRules {
  static func tables(_ tree: Tree) -> [Finding] {
    let pages = tree.files.filter { $0.name == "README.md" && $0.path.contains("/") }
    let homes = Set(pages.map(\.folder))
    return pages.flatMap { page in
      let folder = Folder(page.folder, in: tree, homes: homes)
      return named(page, folder) + unnamed(page, folder) + limits(page, folder)
    }
  }

  /// The code that a page speaks of.
  private struct Folder {
    let path: String
    /// Files below it, with their path within.
    let files: [TreeFile]
    /// Those that no page deeper down speaks of.
    let own: [TreeFile]
    let folders: [String]
    let types: [String: Set<String>]

    init(_ path: String, in tree: Tree, homes: Set<String>) {
      self.path = path
      files = tree.files.filter { $0.isIn(path) }
      folders = tree.folders.filter { $0.hasPrefix(path + "/") }
      own = files.filter { file in
        var folder = file.folder
        while !homes.contains(folder) {
          folder = folder.split(separator: "/").dropLast().joined(separator: "/")
        }
        return folder == path && (file.isSwift || file.isPython) && file.name != "main.swift"
      }
      types = Dictionary(
        files.map { ($0.path, TableRules.types(in: $0)) }, uniquingKeysWith: { one, _ in one })
    }

    func has(_ token: String) -> Bool {
      let name = token.hasSuffix("/") ? String(token.dropLast()) : token
      return folders.contains { $0.hasSuffix("/" + name) }
        || files.contains { file in matches(token, file) }
    }

    /// True if a page means this file by the token: its name, with or without its extension or its
    /// topic, a name with an asterisk, its folder, or a type in it.
    func matches(_ token: String, _ file: TreeFile) -> Bool {
      if token.hasSuffix("/") { return file.path.contains("/" + token) }
      let stem = file.name.split(separator: ".").first.map(String.init) ?? file.name
      if token.hasSuffix("*") { return file.name.hasPrefix(token.dropLast()) }
      return file.name == token || stem == token || stem.hasPrefix(token + "+")
        || file.path.hasSuffix("/" + token) || types[file.path]?.contains(token) == true
    }
  }

  private static func types(in file: TreeFile) -> Set<String> {
    var types: Set<String> = []
    for line in file.swift?.codeLines ?? [] {
      let words = line.split { !Words.isPart($0.utf8.first ?? 0) }
      for (word, next) in zip(words, words.dropFirst())
      where ["class", "struct", "enum", "protocol", "actor", "typealias"].contains(word) {
        types.insert(String(next))
      }
    }
    return types
  }

  private static let columns: Set<String> = [
    "File", "Files", "Folder", "Type", "Helper", "Module",
  ]

  /// What stands in a column of files, folders or types exists.
  private static func named(_ page: TreeFile, _ folder: Folder) -> [Finding] {
    var findings: [Finding] = []
    var column: Int?
    for (index, line) in page.lines.enumerated() {
      guard line.hasPrefix("|") else {
        column = nil
        continue
      }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(\.trimmed)
      if index + 1 < page.lines.count, page.lines[index + 1].hasPrefix("|---") {
        column = cells.firstIndex { columns.contains($0) }
      } else if let column, column < cells.count {
        for token in quoted(cells[column][...]) where isName(token) && !folder.has(token) {
          findings.append(Finding(.tables, page.path, index + 1, "there is no \(token) here"))
        }
      }
    }
    return findings
  }

  /// A page with a table of files speaks of each file.
  private static func unnamed(_ page: TreeFile, _ folder: Folder) -> [Finding] {
    let hasTable = page.lines.contains { line in
      line.hasPrefix("|")
        && line.split(separator: "|").contains { ["File", "Files"].contains($0.trimmed) }
    }
    guard hasTable else { return [] }
    let tokens = page.lines.flatMap(quoted).filter(isName)
    return folder.own.filter { file in !tokens.contains { folder.matches($0, file) } }
      .map { Finding(.tables, page.path, 0, "does not speak of \($0.name)") }
  }

  /// A limit that is named with a number has that number: `headBytesMax` 64 KiB.
  private static func limits(_ page: TreeFile, _ folder: Folder) -> [Finding] {
    var findings: [Finding] = []
    for (index, line) in page.lines.enumerated() {
      let pieces = line.split(separator: "`", omittingEmptySubsequences: false)
      for position in stride(from: 1, to: pieces.count - 1, by: 2) {
        let names = pieces[position].split(separator: ".")
        guard let name = names.last, isLimit(name),
          let said = Number.said(in: pieces[position + 1])
        else { continue }
        let type = names.count == 2 ? String(names[0]) : nil
        let values = Number.declared(String(name), of: type, in: folder.files)
        if values.isEmpty {
          findings.append(Finding(.tables, page.path, index + 1, "there is no limit \(name)"))
        } else if !values.contains(said) {
          findings.append(
            Finding(.tables, page.path, index + 1, "\(name) is \(values), not \(said)"))
        }
      }
    }
    return findings
  }

  private static func isLimit(_ name: Substring) -> Bool {
    let units = ["Max", "Min", "Seconds", "Milliseconds", "Bytes", "Lines"]
    return units.contains { name.hasSuffix($0) } && name.utf8.allSatisfy(Words.isPart)
  }

  /// What stands between back-ticks.
  private static func quoted(_ line: Substring) -> [String] {
    line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
  }

  /// A name of a file, folder or type, and no example of something else.
  private static func isName(_ token: String) -> Bool {
    guard let first = token.utf8.first, Words.isPart(first) else { return false }
    return token.utf8.allSatisfy { Words.isPart($0) || Array("+.-/*".utf8).contains($0) }
  }

  /// Numbers that a sentence says without naming their limit.
  static func sayings(_ tree: Tree, _ sayings: [Saying]) -> [Finding] {
    sayings.flatMap { saying -> [Finding] in
      guard let page = tree.files.first(where: { $0.path == saying.page }) else {
        return [Finding(.tables, saying.page, 0, "there is no such page")]
      }
      let text = page.text.split { $0 == "\n" || $0 == " " }.joined(separator: " ")
      let files = tree.files.filter { file in
        file.isIn("Sources") && types(in: file).contains(saying.type)
      }
      let values = Number.declared(saying.limit, of: nil, in: files)
      let isSaid = !Words.offsets(of: saying.words, in: text).isEmpty
      if isSaid && values == [saying.value] { return [] }
      let limit = "\(saying.type).\(saying.limit)"
      return [
        Finding(
          .tables, saying.page, 0,
          "“\(saying.words)” should be said, and \(limit) is \(values), not \(saying.value)")
      ]
    }
  }
}

/// A number in a sentence of a page, and the limit that it is.
struct Saying: Sendable {
  var page: String
  var words: String
  var type: String
  var limit: String
  /// In the unit of the limit.
  var value: Int

  init(_ page: String, _ words: String, _ type: String, _ limit: String, _ value: Int) {
    (self.page, self.words, self.type, self.limit, self.value) = (page, words, type, limit, value)
  }
}

/// Whole numbers, as pages and code write them.
enum Number {
  /// The number at the start of a text: ` 16 384`, ` 16 MiB`, ` (64)`; nil if it starts otherwise.
  static func said(in text: Substring) -> Int? {
    let words = text.drop { $0 == " " || $0 == "(" || $0 == "=" }
      .split { $0 == " " || $0 == "," || $0 == ";" || $0 == ")" || $0 == "." }
    guard let first = words.first, var number = Int(first), text.first == " " else { return nil }
    for word in words.dropFirst() {
      if word.utf8.count == 3, let group = Int(word) {
        number = number * 1000 + group
      } else {
        return number * (word == "KiB" ? 1 << 10 : word == "MiB" ? 1 << 20 : 1)
      }
    }
    return number
  }

  /// The values of the constants of that name, in files that speak of the type.
  static func declared(_ name: String, of type: String?, in files: [TreeFile]) -> [Int] {
    files.flatMap { file -> [Int] in
      guard file.isSwift, file.mentions(name), type.map({ file.mentions($0) }) ?? true else {
        return []
      }
      return (file.swift?.codeLines ?? []).compactMap { line in
        guard line.contains("let \(name)"), let equals = line.firstIndex(of: "=") else {
          return nil
        }
        let before = line[..<equals].split { $0 == " " || $0 == ":" }
        guard before.contains(Substring(name)) else { return nil }
        return value(line[line.index(after: equals)...])
      }
    }
  }

  /// A product, sum or shift of whole numbers, from left to right.
  static func value(_ text: Substring) -> Int? {
    var result: Int?
    var sign: Substring = "+"
    for word in text.split(separator: " ") {
      if ["*", "<<", "+", "-"].contains(word) {
        sign = word
        continue
      }
      guard let number = Int(word.filter { $0 != "_" }) else { return nil }
      switch (result, sign) {
      case (nil, _): result = number
      case (let left?, "*"): result = left * number
      case (let left?, "<<"): result = left << number
      case (let left?, "-"): result = left - number
      case (let left?, _): result = left + number
      }
    }
    return result
  }
}
