/// Finds what a misspelt word was meant to be.
enum Spelling {
    /// The known word that is nearest, where it is near enough to be meant: one slip for short words, two for longer ones, or another case.
    static func nearest(to word: String, among known: [String]) -> String? {
        if let same = known.first(where: { $0 != word && $0.lowercased() == word.lowercased() }) { return same }
        let limit = word.count < 5 ? 1 : 2
        let distances = known.map { (word: $0, distance: distance(Array(word.lowercased()), Array($0.lowercased()))) }
        return distances.filter { $0.distance <= limit && $0.distance > 0 }.min { $0.distance < $1.distance }?.word
    }

    /// How many insertions, deletions, replacements and exchanges of neighbours lead from one to the other.
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var rows = [Array(0...b.count)]
        for i in 0..<a.count {
            var row = [i + 1]
            for j in 0..<b.count {
                var best = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
