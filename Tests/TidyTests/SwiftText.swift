/// Swift source taken apart: code without comments and without the text of literals, and comments
/// without code. Both keep every line and column. Code inside interpolations stays code.
struct SwiftText: Sendable {
  let codeLines: [Substring]
  let commentLines: [Substring]

  init(_ source: [UInt8]) {
    var reader = SwiftReader(source)
    reader.readCode(until: nil)
    (codeLines, commentLines) = (Self.lines(reader.code), Self.lines(reader.comments))
  }

  private static func lines(_ bytes: [UInt8]) -> [Substring] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The lines of a declaration, from `line` (counted from 0) to the end of its braces; nil if it
  /// has none, as in a protocol.
  func block(from line: Int) -> ClosedRange<Int>? {
    var depth = 0
    var parentheses = 0
    for index in line..<codeLines.count {
      let mayGoOn =
        index == line || depth > 0 || parentheses > 0
        || codeLines[index - 1].trimmed.hasSuffix(",")
      if !mayGoOn, !Self.continuesDeclaration(codeLines[index]) { return nil }
      for byte in codeLines[index].utf8 {
        switch byte {
        case UInt8(ascii: "("): parentheses += 1
        case UInt8(ascii: ")"): parentheses -= 1
        // A default argument may hold braces of its own.
        case UInt8(ascii: "{") where parentheses == 0 || depth > 0: depth += 1
        case UInt8(ascii: "}") where depth > 0:
          depth -= 1
          if depth == 0 { return line...index }
        default: break
        }
      }
    }
    return nil
  }

  /// True for a line that can stand between a signature and its brace.
  private static func continuesDeclaration(_ line: Substring) -> Bool {
    let text = line.trimmed
    return ["{", "->", "where", "throws", "async", ")"].contains { text.hasPrefix($0) }
  }

  /// The name of the function that a line declares; `init` for an initialiser, nil for neither.
  static func declaredFunction(_ line: Substring) -> String? {
    let words = line.split { $0 == " " || $0 == "(" || $0 == "<" || $0 == "?" }
    guard let index = words.firstIndex(where: { $0 == "func" || $0 == "init" }), line.contains("("),
      words[..<index].allSatisfy({ $0.hasPrefix("@") || modifiers.contains($0) })
    else { return nil }
    if words[index] == "init" { return "init" }
    return index + 1 < words.count ? String(words[index + 1]) : nil
  }
  private static let modifiers: Set<Substring> = [
    "public", "private", "fileprivate", "internal", "package", "open", "static", "class", "final",
    "override", "mutating", "nonmutating", "borrowing", "consuming", "convenience", "required",
    "nonisolated", "indirect",
  ]
}

private struct SwiftReader {
  private(set) var code: [UInt8]
  private(set) var comments: [UInt8]
  private let source: [UInt8]
  private var position = 0

  init(_ source: [UInt8]) {
    self.source = source
    let blank = source.map { $0 == 0x0A ? 0x0A : 0x20 as UInt8 }
    (code, comments) = (blank, blank)
  }

  private func starts(_ text: String) -> Bool {
    let wanted = text.utf8
    return source.count - position >= wanted.count
      && source[position..<position + wanted.count].elementsEqual(wanted)
  }

  /// Reads code up to the parenthesis that closes an interpolation, or to the end.
  mutating func readCode(until closing: UInt8?) {
    var depth = 0
    while position < source.count {
      let byte = source[position]
      if starts("//") {
        readLineComment()
      } else if starts("/*") {
        readBlockComment()
      } else if byte == UInt8(ascii: "\"") || isRawStringStart {
        readString()
      } else {
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") {
          if depth == 0, closing != nil { return }
          depth -= 1
        }
        code[position] = byte
        position += 1
      }
    }
  }

  private var isRawStringStart: Bool {
    var end = position
    while end < source.count, source[end] == UInt8(ascii: "#") { end += 1 }
    return end > position && end < source.count && source[end] == UInt8(ascii: "\"")
  }

  private mutating func readLineComment() {
    while position < source.count, source[position] != 0x0A {
      comments[position] = source[position]
      position += 1
    }
  }

  private mutating func readBlockComment() {
    var depth = 0
    repeat {
      if starts("/*") { depth += 1 }
      if starts("*/") { depth -= 1 }
      let step = starts("/*") || starts("*/") ? 2 : 1
      for offset in position..<min(source.count, position + step) {
        comments[offset] = source[offset]
      }
      position += step
    } while depth > 0 && position < source.count
  }

  private mutating func readString() {
    var hashes = 0
    while source[position] == UInt8(ascii: "#") {
      hashes += 1
      position += 1
    }
    let isLong = starts("\"\"\"")
    position += isLong ? 3 : 1
    let escape = [UInt8(ascii: "\\")] + [UInt8](repeating: UInt8(ascii: "#"), count: hashes)
    let quotes = [UInt8](repeating: UInt8(ascii: "\""), count: isLong ? 3 : 1)
    let end = quotes + [UInt8](repeating: UInt8(ascii: "#"), count: hashes)
    while position < source.count {
      let rest = source[position...]
      if rest.starts(with: end) {
        position += end.count
        return
      }
      guard rest.starts(with: escape) else {
        position += 1
        continue
      }
      position += escape.count
      guard position < source.count else { return }
      let escaped = source[position]
      position += 1
      if escaped == UInt8(ascii: "(") {
        readCode(until: UInt8(ascii: ")"))
        position += 1
      }
    }
  }
}

/// Whole words and phrases in a line.
enum Words {
  static func isPart(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// Offsets at which `phrase` stands in `line` and is not part of a longer word.
  static func offsets(of phrase: String, in line: some StringProtocol) -> [Int] {
    let (line, phrase) = (Array(line.utf8), Array(phrase.utf8))
    guard let first = phrase.first, let last = phrase.last, line.count >= phrase.count else {
      return []
    }
    return (0...line.count - phrase.count).filter { start in
      guard line[start..<start + phrase.count].elementsEqual(phrase) else { return false }
      let end = start + phrase.count
      let startsInside = start > 0 && isPart(line[start - 1]) && isPart(first)
      let endsInside = end < line.count && isPart(line[end]) && isPart(last)
      return !startsInside && !endsInside
    }
  }

  static func contains(_ phrase: String, in line: some StringProtocol) -> Bool {
    !offsets(of: phrase, in: line).isEmpty
  }
}

extension StringProtocol {
  /// Without blanks at both ends.
  var trimmed: String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
  }
}
