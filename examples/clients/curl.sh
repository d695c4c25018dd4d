#!/usr/bin/env bash
# curl: an answer, a stream, and what the mock itself says of them.
#
#     mockllm serve --port 8787 &
#     MOCKLLM_URL=http://127.0.0.1:8787 bash examples/clients/curl.sh
set -euo pipefail
url=${MOCKLLM_URL:-http://127.0.0.1:8787}
question='"model": "claude-sonnet-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Is it warm in Oslo?"}]'
ask=(curl --silent --show-error --fail-with-body "$url/v1/messages"
  --header "x-api-key: any key will do" --header "anthropic-version: 2023-06-01" --header "content-type: application/json")

"${ask[@]}" --data "{$question}"
echo
"${ask[@]}" --no-buffer --data "{$question, \"stream\": true}"
curl --silent --show-error --fail-with-body "$url/_mock/requests"
echo
