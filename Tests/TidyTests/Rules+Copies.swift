/// Runs of like lines in two places: three of them are a type or a function that nobody made yet.
enum CopyRules {
  /// Shorter runs are how a language looks, not what somebody copied.
  static let linesMin = 6

  private struct Place {
    var file: Int
    /// Index in the lines that count.
    var index: Int
  }

  static func copies(_ tree: Tree) -> [Finding] {
    var numbers: [String: Int] = [:]
    let files = tree.files.filter { $0.isSwift || $0.fileExtension == "py" }
    let lines = files.map { file in
      meaning(file).map { line in
        let number = numbers[line.text] ?? numbers.count
        numbers[line.text] = number
        return (number: number, line: line.line)
      }
    }
    var seen: [[Int]: Place] = [:]
    var findings: [Finding] = []
    for (file, numbered) in lines.enumerated() where numbered.count >= linesMin {
      var last: (place: Place, index: Int, run: Int)?
      func tell() {
        guard let run = last else { return }
        let from = lines[run.place.file][run.place.index - run.run + 1].line
        findings.append(
          Finding(
            .copy, files[file].path, numbered[run.index - run.run + 1].line,
            "\(run.run + linesMin - 1) lines as at \(files[run.place.file].path):\(from)"))
        last = nil
      }
      for index in 0...numbered.count - linesMin {
        let window = numbered[index..<index + linesMin].map(\.number)
        guard let place = seen[window] else {
          tell()
          seen[window] = Place(file: file, index: index)
          continue
        }
        if place.file == file, index - place.index < linesMin { continue }
        if let run = last, run.place.file == place.file, run.place.index + 1 == place.index,
          run.index + 1 == index
        {
          last = (place, index, run.run + 1)
        } else {
          tell()
          last = (place, index, 1)
        }
      }
      tell()
    }
    return findings
  }

  /// The lines that say something, without comments, blanks and closing brackets.
  private static func meaning(_ file: TreeFile) -> [(text: String, line: Int)] {
    file.lines.enumerated().compactMap { index, line in
      if file.isPython, line.trimmed.hasPrefix("#") { return nil }
      var bytes = Array(line.utf8)
      if let comment = file.swift?.commentLines[index].utf8.firstIndex(where: { $0 != 0x20 }),
        let comments = file.swift?.commentLines[index]
      {
        bytes.removeLast(
          bytes.count - comments.utf8.distance(from: comments.startIndex, to: comment))
      }
      guard bytes.contains(where: { Words.isPart($0) }) else { return nil }
      let text = String(decoding: bytes, as: UTF8.self).trimmed
      let isImport = ["import ", "from ", "@testable ", "internal import ", "public import "]
        .contains { text.hasPrefix($0) }
      return isImport ? nil : (text, index + 1)
    }
  }

  /// Copies that stand for a listed reason: both places are named there.
  static func unexcused(_ findings: [Finding]) -> [Finding] {
    findings.filter { finding in !Exceptions.copies.contains { $0.covers(finding) } }
  }
}

/// Two files that may say the same.
struct ToleratedCopy: Sendable {
  /// Beginnings of paths: a file, or a folder.
  var one: String
  var other: String
  var reason: String

  func covers(_ finding: Finding) -> Bool {
    let isForth = finding.path.hasPrefix(one) && finding.says.contains(" \(other)")
    let isBack = finding.path.hasPrefix(other) && finding.says.contains(" \(one)")
    return isForth || isBack
  }
}
