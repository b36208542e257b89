/// "Look again": nothing here is forbidden, but it wants a reason of one line.
enum SizeRules {
  static let all: [FileRule] = [longFiles, longFunctions, longLines]

  static let fileLinesMax = 500
  static let functionLinesMax = 70
  static let lineColumnsMax = 100

  static func longFiles(_ file: TreeFile) -> [Finding] {
    guard file.isSwift, file.lines.count - 1 > fileLinesMax else { return [] }
    return [Finding(.longFile, file.path, 0, "\(file.lines.count - 1) lines")]
  }

  static func longLines(_ file: TreeFile) -> [Finding] {
    guard file.isSwift else { return [] }
    return file.lines.enumerated().compactMap { index, line in
      line.count <= lineColumnsMax
        ? nil : Finding(.longLine, file.path, index + 1, "\(line.count) columns")
    }
  }

  static func longFunctions(_ file: TreeFile) -> [Finding] {
    guard let text = file.swift else { return [] }
    return text.codeLines.enumerated().compactMap { index, line in
      guard SwiftText.declaredFunction(line) != nil, let block = text.block(from: index),
        block.count > functionLinesMax
      else { return nil }
      return Finding(.longFunction, file.path, index + 1, "\(block.count) lines")
    }
  }
}
