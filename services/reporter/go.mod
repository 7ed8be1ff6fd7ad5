module github.com/plimsoll/plimsoll/services/reporter

go 1.26

require (
	github.com/plimsoll/plimsoll v0.0.0
	github.com/plimsoll/plimsoll/proto v0.0.0
	github.com/plimsoll/plimsoll/workflows v0.0.0
	github.com/plimsoll/plimsoll/services/internal v0.0.0
)

replace (
	github.com/plimsoll/plimsoll => ../../
	github.com/plimsoll/plimsoll/proto => ../../proto
	github.com/plimsoll/plimsoll/workflows => ../../workflows
	github.com/plimsoll/plimsoll/services/internal => ../internal
)
