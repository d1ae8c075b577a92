// Runs beside its package, which is not modified: `rest` drives REST over https, `builder` writes documents, `validate` checks requests
// that arrived. What to do comes as JSON on stdin; what was seen is printed as one JSON object.
const { RestClient } = require('@signalwire/compatibility-api')
const { readFileSync } = require('fs')

async function rest(job) {
  const client = RestClient(job.project, job.token, { signalwireSpaceUrl: job.host })
  const room = (await client.conferences.list({ friendlyName: 'Room 1234', status: 'in-progress' }))[0]
  const people = await client.conferences(room.sid).participants.list()
  const one = people[0].callSid
  const muted = await client.conferences(room.sid).participants(one).update({ muted: true })
  const filtered = await client.conferences(room.sid).participants.list({ muted: true })
  const call = await client.calls(one).fetch()
  const calls = await client.calls.list({ pageSize: 1, limit: 3 })
  const made = await client.calls.create({ to: job.to, from: job.from, twiml: '<Response><Pause length="30"/></Response>' })
  const ended = await client.calls(made.sid).update({ status: 'completed' })
  const recordings = await client.recordings.list({ conferenceSid: room.sid })
  await client.conferences(room.sid).participants(one).remove()
  const left = await client.conferences(room.sid).participants.list()
  const over = await client.conferences(room.sid).update({ status: 'completed' })
  let missing
  try {
    await client.conferences('00000000-0000-4000-8000-00000000ffff').fetch()
  } catch (error) {
    missing = { status: error.status, code: error.code }
  }
  return {
    people: people.length,
    muted: muted.muted,
    filtered: filtered.length === 1 && filtered[0].callSid === one,
    call: { status: call.status, direction: call.direction },
    calls: calls.length,
    made: made.direction,
    ended: ended.sid === made.sid,
    recordings: recordings.length,
    left: left.length,
    over: { status: over.status, reason: over.reasonConferenceEnded },
    missing,
  }
}

function builder(job) {
  const response = new RestClient.LaML.VoiceResponse()
  const dial = response.dial({ action: '/after', method: 'POST', timeLimit: 600, hangupOnStar: true, record: 'do-not-record' })
  dial.conference(job.attributes, 'Room 1234')
  return { document: response.toString() }
}

function validate(job) {
  const verdicts = (key) => job.requests.map((r) => RestClient.validateRequest(key, r.signature, r.url, r.params))
  return { verdicts: verdicts(job.token), forged: verdicts('PSK_other') }
}

const job = JSON.parse(readFileSync(0, 'utf8'))
Promise.resolve({ rest, builder, validate }[process.argv[2]](job)).then(
  (seen) => console.log(JSON.stringify(seen)),
  (error) => {
    console.error(error)
    process.exit(1)
  },
)
