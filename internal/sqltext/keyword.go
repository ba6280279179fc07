package sqltext

// keyword is a word that the grammar here looks at; all others are kwNone.
type keyword uint8

// Up to kwWith the constants fit a keywordSet.
const (
	kwNone keyword = iota
	kwAs
	kwConflict
	kwDistinct
	kwDo
	kwExcept
	kwFetch
	kwFor
	kwForce
	kwFrom
	kwGroup
	kwHaving
	kwInto
	kwIntersect
	kwJoin
	kwLimit
	kwLock
	kwOffset
	kwOn
	kwOrder
	kwReturning
	kwSelect
	kwSet
	kwStraightJoin
	kwUnion
	kwUse
	kwUsing
	kwValues
	kwWhen
	kwWhere
	kwWindow
	kwWith

	kwAbort
	kwAlter
	kwAnalyze
	kwBegin
	kwBy
	kwCall
	kwCommit
	kwConstraint
	kwCopy
	kwCreate
	kwCross
	kwCurrent
	kwCycle
	kwDefault
	kwDelayed
	kwDelete
	kwDescribe
	kwDrop
	kwDuplicate
	kwEnd
	kwExecute
	kwExplain
	kwHighPriority
	kwIgnore
	kwIndexed
	kwInsert
	kwKey
	kwLoad
	kwLowPriority
	kwMaterialized
	kwMerge
	kwNatural
	kwNot
	kwNothing
	kwOf
	kwOnly
	kwOr
	kwOverriding
	kwPartition
	kwPrepare
	kwQuick
	kwRecursive
	kwRelease
	kwRename
	kwReplace
	kwRollback
	kwSavepoint
	kwSearch
	kwShow
	kwStart
	kwStatement
	kwTable
	kwTo
	kwTrigger
	kwTruncate
	kwUpdate
	kwValue
)

// keywordSet is a set of the keywords up to kwWith.
type keywordSet uint64

func (s keywordSet) has(kw keyword) bool { return kw <= kwWith && s&(1<<kw) != 0 }

// keywordOf is called for every word; it allocates nothing.
func keywordOf(word string) keyword {
	var upper [13]byte
	if len(word) < 2 || len(word) > len(upper) {
		return kwNone
	}
	for i := 0; i < len(word); i++ {
		upper[i] = word[i] &^ 0x20 // to upper case; no other byte becomes a letter or _
	}
	switch string(upper[:len(word)]) {
	case "AS":
		return kwAs
	case "CONFLICT":
		return kwConflict
	case "DISTINCT":
		return kwDistinct
	case "DO":
		return kwDo
	case "EXCEPT":
		return kwExcept
	case "FETCH":
		return kwFetch
	case "FOR":
		return kwFor
	case "FORCE":
		return kwForce
	case "FROM":
		return kwFrom
	case "GROUP":
		return kwGroup
	case "HAVING":
		return kwHaving
	case "INTO":
		return kwInto
	case "INTERSECT":
		return kwIntersect
	case "JOIN":
		return kwJoin
	case "LIMIT":
		return kwLimit
	case "LOCK":
		return kwLock
	case "OFFSET":
		return kwOffset
	case "ON":
		return kwOn
	case "ORDER":
		return kwOrder
	case "RETURNING":
		return kwReturning
	case "SELECT":
		return kwSelect
	case "SET":
		return kwSet
	case "STRAIGHT_JOIN":
		return kwStraightJoin
	case "UNION":
		return kwUnion
	case "USE":
		return kwUse
	case "USING":
		return kwUsing
	case "VALUES":
		return kwValues
	case "WHEN":
		return kwWhen
	case "WHERE":
		return kwWhere
	case "WINDOW":
		return kwWindow
	case "WITH":
		return kwWith
	case "ABORT":
		return kwAbort
	case "ALTER":
		return kwAlter
	case "ANALYZE", "ANALYSE":
		return kwAnalyze
	case "BEGIN":
		return kwBegin
	case "BY":
		return kwBy
	case "CALL":
		return kwCall
	case "COMMIT":
		return kwCommit
	case "CONSTRAINT":
		return kwConstraint
	case "COPY":
		return kwCopy
	case "CREATE":
		return kwCreate
	case "CROSS":
		return kwCross
	case "CURRENT":
		return kwCurrent
	case "CYCLE":
		return kwCycle
	case "DEFAULT":
		return kwDefault
	case "DELAYED":
		return kwDelayed
	case "DELETE":
		return kwDelete
	case "DESCRIBE", "DESC":
		return kwDescribe
	case "DROP":
		return kwDrop
	case "DUPLICATE":
		return kwDuplicate
	case "END":
		return kwEnd
	case "EXECUTE":
		return kwExecute
	case "EXPLAIN":
		return kwExplain
	case "HIGH_PRIORITY":
		return kwHighPriority
	case "IGNORE":
		return kwIgnore
	case "INDEXED":
		return kwIndexed
	case "INSERT":
		return kwInsert
	case "KEY":
		return kwKey
	case "LOAD":
		return kwLoad
	case "LOW_PRIORITY":
		return kwLowPriority
	case "MATERIALIZED":
		return kwMaterialized
	case "MERGE":
		return kwMerge
	case "NATURAL":
		return kwNatural
	case "NOT":
		return kwNot
	case "NOTHING":
		return kwNothing
	case "OF":
		return kwOf
	case "ONLY":
		return kwOnly
	case "OR":
		return kwOr
	case "OVERRIDING":
		return kwOverriding
	case "PARTITION":
		return kwPartition
	case "PREPARE":
		return kwPrepare
	case "QUICK":
		return kwQuick
	case "RECURSIVE":
		return kwRecursive
	case "RELEASE":
		return kwRelease
	case "RENAME":
		return kwRename
	case "REPLACE":
		return kwReplace
	case "ROLLBACK":
		return kwRollback
	case "SAVEPOINT":
		return kwSavepoint
	case "SEARCH":
		return kwSearch
	case "SHOW":
		return kwShow
	case "START":
		return kwStart
	case "STATEMENT":
		return kwStatement
	case "TABLE":
		return kwTable
	case "TO":
		return kwTo
	case "TRIGGER":
		return kwTrigger
	case "TRUNCATE":
		return kwTruncate
	case "UPDATE":
		return kwUpdate
	case "VALUE":
		return kwValue
	}
	return kwNone
}
