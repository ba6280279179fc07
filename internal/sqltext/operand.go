package sqltext

import "strings"

// endsOperand says whether the token can end an expression, startsOperand whether
// it can start one. They tell a clause keyword from a column of the same name
// where the server might not reserve the word; between two operands without an
// operator only a keyword can stand, or an alias.
func (t token) endsOperand(sql string) bool {
	switch t.kind {
	case kindEnd:
		return false
	case kindPunct:
		return t.ch() == ')' || t.ch() == ']' || t.ch() == '*'
	case kindWord:
		word := sql[t.start:t.end]
		return strings.EqualFold(word, "asc") || strings.EqualFold(word, "desc") || !joinsOperands(word)
	}
	return true
}

func (t token) startsOperand(sql string) bool {
	switch t.kind {
	case kindEnd:
		return false
	case kindPunct:
		return strings.IndexByte("(*-+~!@", t.ch()) >= 0
	case kindWord:
		switch strings.ToUpper(sql[t.start:t.end]) {
		case "NOT", "CASE", "EXISTS", "BINARY", "INTERVAL":
			return true
		}
		return !joinsOperands(sql[t.start:t.end])
	}
	return true
}

// joinsOperands says whether a word of MySQL is an operator or a keyword that
// calls for an operand.
func joinsOperands(word string) bool {
	switch strings.ToUpper(word) {
	case "ALL", "AND", "AS", "ASC", "BETWEEN", "BINARY", "BY", "CASE", "COLLATE", "DESC", "DISTINCT", "DISTINCTROW",
		"DIV", "ELSE", "ESCAPE", "EXCEPT", "EXISTS", "FOR", "FORCE", "FROM", "GROUP", "HAVING", "IGNORE", "IN",
		"INNER", "INTERSECT", "INTERVAL", "INTO", "IS", "JOIN", "CROSS", "LEFT", "LIKE", "LIMIT", "LOCK", "MEMBER",
		"MINUS", "MOD", "NATURAL", "NOT", "OFFSET", "ON", "OR", "ORDER", "OUTER", "PARTITION", "PROCEDURE",
		"REGEXP", "RETURNING", "RIGHT", "RLIKE", "SELECT", "SET", "SOUNDS", "SQL_CALC_FOUND_ROWS",
		"STRAIGHT_JOIN", "THEN", "UNION", "USE", "USING", "VALUE", "VALUES", "WHEN", "WHERE", "WINDOW", "XOR":
		return true
	}
	return false
}
