/// The house rules, by the words that a `tidy:allow` names.
enum Rule: String, CaseIterable, Sendable {
  case layers, main, shim, pages, bytes
  case bannedCall = "banned-call"
  case textInError = "text-in-error"
  case escape, unsafe
  case longFile = "long-file"
  case longFunction = "long-function"
  case longLine = "long-line"
  case dead, unused, copy, tables, todo, names
  case topLevel = "top-level"

  /// True if one reason may stand for a whole file.
  var isOfWholeFile: Bool { self == .longFile || self == .longLine }
  /// True if a comment in the code may make an exception.
  var mayBeAllowed: Bool {
    switch self {
    case .layers, .main, .shim, .textInError, .topLevel, .todo, .pages, .tables: false
    case .copy, .unused: false
    default: true
    }
  }
}

/// A breach of a rule.
struct Finding: Equatable, Sendable, CustomStringConvertible {
  var rule: Rule
  var path: String
  /// Counted from 1; 0 for the file as a whole.
  var line: Int
  var says: String

  init(_ rule: Rule, _ path: String, _ line: Int, _ says: String) {
    (self.rule, self.path, self.line, self.says) = (rule, path, line, says)
  }

  var description: String { "\(path):\(line): \(rule.rawValue): \(says)" }
}

/// An exception written where it happens, on the line or the one above:
/// `// tidy:allow RULE: reason`.
struct Allowance: Equatable, Sendable {
  static let marker = "tidy:" + "allow"

  var rule: Rule
  var path: String
  var line: Int
  var reason: String

  static func all(in file: TreeFile) -> [Allowance] {
    guard let text = file.swift else { return [] }
    return text.commentLines.enumerated().compactMap { index, comment in
      guard let start = Words.offsets(of: marker, in: comment).first else { return nil }
      let rest = String(
        decoding: Array(comment.utf8).dropFirst(start + marker.utf8.count), as: UTF8.self)
      let parts = rest.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, let rule = Rule(rawValue: parts[0].trimmed), rule.mayBeAllowed,
        parts[1].trimmed.utf8.count >= Self.reasonBytesMin
      else { return nil }
      return Allowance(rule: rule, path: file.path, line: index + 1, reason: parts[1].trimmed)
    }
  }

  /// Shorter ones explain nothing.
  private static let reasonBytesMin = 12

  func covers(_ finding: Finding) -> Bool {
    guard rule == finding.rule, path == finding.path else { return false }
    return rule.isOfWholeFile || line == finding.line || line == finding.line - 1
  }
}

/// A rule about one file.
typealias FileRule = @Sendable (TreeFile) -> [Finding]
