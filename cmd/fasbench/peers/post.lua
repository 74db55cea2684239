-- Sets the request that wrk sends: post.lua TOKEN BODY COUNT. An empty TOKEN is none. If COUNT is
-- not 0, NUMBER in the URL is replaced in each request by a number from 0 to COUNT - 1 at random.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

function init(args)
  if args[1] ~= "" then
    wrk.headers["Authorization"] = "Token " .. args[1]
  end
  wrk.body = args[2]
  local count = tonumber(args[3])
  if count > 0 then
    local requests = {}
    for i = 1, count do
      requests[i] = wrk.format(nil, (wrk.path:gsub("NUMBER", i - 1)))
    end
    request = function()
      return requests[math.random(count)]
    end
  end
end
