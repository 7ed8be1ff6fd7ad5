module github.com/plimsoll/plimsoll/workflows

go 1.26.0

require (
	github.com/plimsoll/plimsoll v0.0.0
	github.com/plimsoll/plimsoll/proto v0.0.0
)

require go.temporal.io/sdk v1.50.0 // indirect

replace (
	github.com/plimsoll/plimsoll => ../
	github.com/plimsoll/plimsoll/proto => ../proto
)
