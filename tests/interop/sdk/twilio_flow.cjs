// Runs beside the unmodified npm package, whose folder is named on the command line: reads a job (JSON) and prints what was seen.
// Only the host is changed, through the package's own RequestClient.
"use strict";
const { createRequire } = require("module");
const [folder, work] = process.argv.slice(2);
const twilio = createRequire(folder + "/package.json")("twilio");

function clientFor(job, token = job.token) {
  const http = new twilio.RequestClient();
  const send = http.request.bind(http);
  http.request = (options) => send({ ...options, uri: options.uri.replace("https://api.twilio.com", job.base) });
  return twilio(job.sid, token, { httpClient: http });
}

async function failure(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { status: error.status, code: error.code, more: error.moreInfo };
  }
}

const works = {
  // First flow: a call and a participant are created, fetched, changed and listed.
  async create(job) {
    const client = clientFor(job);
    const call = await client.calls.create({ to: job.callee, from: "+15550001000", url: job.url, statusCallbackEvent: ["answered", "completed"] });
    const member = await client
      .conferences(job.room)
      .participants.create({ to: job.second, from: "+15550001000", label: "by node", beep: "onEnter", earlyMedia: true, conferenceStatusCallbackEvent: ["start", "end"] });
    const fetched = await client.calls(call.sid).fetch();
    const people = await client.conferences(member.conferenceSid).participants.list({ pageSize: 1 });
    const muted = await client.conferences(member.conferenceSid).participants("by node").update({ muted: true });
    return {
      call: [call.status, call.direction, call.queueTime],
      member: [member.status, member.label, member.queueTime, member.dateCreated instanceof Date],
      fetched: [fetched.sid === call.sid, fetched.to],
      people: people.map((person) => person.callSid),
      muted: [muted.muted, muted.label],
    };
  },

  // Second flow: the conference is announced to, then ended; errors are the package's own.
  async end(job) {
    const client = clientFor(job);
    const [room] = await client.conferences.list({ friendlyName: "standup", status: "in-progress" });
    const announced = await client.conferences(room.sid).update({ announceUrl: job.announce });
    const ended = await client.conferences(room.sid).update({ status: "completed" });
    const again = await client.conferences(room.sid).update({ status: "completed" });
    return {
      room: [room.friendlyName, room.status, room.region],
      announced: announced.status,
      ended: [ended.status, ended.reasonConferenceEnded, ended.callSidEndingConference],
      again: again.status,
      missing: await failure(client.conferences("CF" + "0".repeat(32)).fetch()),
      refused: await failure(clientFor(job, "wrong").calls.list({ limit: 1 })),
      bad: await failure(client.calls.create({ to: job.callee, from: "+15550001000" })),
    };
  },

  // The package's own validator on every request that arrived.
  async validate(job) {
    const check = (token) =>
      job.requests.map((request) =>
        request.json === null
          ? twilio.validateRequest(token, request.signature, request.url, request.fields)
          : twilio.validateRequestWithBody(token, request.signature, request.url, request.json)
      );
    return { verdicts: check(job.token), forged: check("0".repeat(32)) };
  },

  // What the package's builder makes of every attribute of a conference.
  async build() {
    const response = new twilio.twiml.VoiceResponse();
    const dial = response.dial({ action: "/after", hangupOnStar: true, timeLimit: 60, record: "record-from-answer-dual" });
    dial.conference(
      {
        muted: false, beep: "onExit", startConferenceOnEnter: true, endConferenceOnExit: false, participantLabel: "agent 7",
        jitterBufferSize: "small", waitUrl: "/wait", waitMethod: "GET", maxParticipants: 20, record: "record-from-start",
        recordingConfigurationId: "x", region: "ie1", trim: "do-not-trim", coach: "CA" + "1".repeat(32),
        statusCallbackEvent: ["start", "end", "join"], statusCallback: "/events", statusCallbackMethod: "POST",
        recordingStatusCallback: "/taped", recordingStatusCallbackMethod: "GET", recordingStatusCallbackEvent: ["in-progress", "completed"],
        eventCallbackUrl: "/old",
      },
      "standup"
    );
    return { document: response.toString() };
  },
};

let text = "";
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", async () => {
  try {
    process.stdout.write(JSON.stringify(await works[work](JSON.parse(text))));
  } catch (error) {
    process.stderr.write(String(error.stack || error));
    process.exitCode = 1;
  }
});
