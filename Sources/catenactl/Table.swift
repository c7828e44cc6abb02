/// Columns for people.
enum Table {
    /// Rows of equal length, each column as wide as its widest cell.
    static func text(_ rows: [[String]]) -> String {
        guard let header = rows.first else { return "" }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return cells.joined(separator: "  ").trimmingSpaces() + "\n"
        }.joined()
    }
}

extension String {
    /// Without the spaces at its end.
    fileprivate func trimmingSpaces() -> String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
