// The incidents, kept fresh. Whatever a sender wrote is put in as text, by `el`; nothing here is parsed as HTML.

const $ = (id) => document.getElementById(id);

// ---- Making elements

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const LONGEST = 20_000; // characters of one value that are shown
const MOST = 200; // rows of one table that are shown

function text(value) {
  const whole = typeof value === 'string' ? value : JSON.stringify(value, null, 2) ?? '';
  return whole.length > LONGEST ? `${whole.slice(0, LONGEST)}… (cut: ${whole.length} characters)` : whole;
}

// What a sender wrote, in its own direction of writing.
const theirs = (value, tag = 'span', name = '') => el(tag, { class: `theirs ${name}`.trim(), dir: 'auto' }, text(value));

function webAddress(value, protocols = ['http:', 'https:']) {
  if (typeof value !== 'string') return null;
  try {
    const url = new URL(value); // an address without a scheme is refused, as it would be one of this page
    return protocols.includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function link(address, label) {
  const url = webAddress(address);
  const words = label === null || label === undefined || label === '' ? address : label;
  // Not the web: shown as what it is, and nothing to click on.
  if (!url) return el('span', null, theirs(words), words === address ? '' : [' ', theirs(`(${text(address)})`, 'span', 'host')]);
  const anchor = theirs(words, 'a');
  for (const [name, value] of [['href', url.href], ['target', '_blank'], ['rel', 'noopener noreferrer']]) anchor.setAttribute(name, value);
  return words === address ? anchor : el('span', null, anchor, ' ', theirs(url.host, 'span', 'host'));
}

const shownImages = new Set(); // those that were clicked stay, also when what is around them is drawn anew

function image({ src, href, alt }, owner) {
  const url = webAddress(src, ['https:']);
  const words = alt ? text(alt) : 'Image';
  if (!url) return el('p', null, theirs(words), ' ', theirs(`(${text(src)})`, 'span', 'host'));
  const key = `${owner} ${url.href}`;
  const figure = el('figure', { tabindex: '-1' });
  const show = () => {
    shownImages.add(key);
    const picture = el('img', { src: url.href, alt: words, referrerpolicy: 'no-referrer' });
    picture.addEventListener('error', () => picture.replaceWith(el('p', null, 'This image could not be loaded: ', theirs(url.href))));
    const target = webAddress(href);
    figure.replaceChildren(
      target ? el('a', { href: target.href, target: '_blank', rel: 'noopener noreferrer' }, picture) : picture,
      theirs(words, 'figcaption'),
    );
  };
  if (shownImages.has(key)) show();
  else {
    figure.append(el('button', { type: 'button', click: () => { show(); figure.focus({ preventScroll: true }); } },
      'Load image: ', theirs(words), ' ', theirs(`from ${url.host}`, 'span', 'host')));
  }
  return figure;
}

function shownValue(value) {
  if (typeof value === 'string') return /^https?:\/\/\S+$/i.test(value) ? link(value) : /\n/.test(value) ? plain(value) : theirs(value);
  return value !== null && typeof value === 'object' ? plain(value) : theirs(value);
}

const plain = (value) => { const pre = theirs(value, 'pre', 'plain'); pre.tabIndex = 0; return pre; };

function table(caption, rows) {
  if (!rows.length) return null;
  const shown = rows.slice(0, MOST).map(([name, value]) => el('tr', null, el('th', { scope: 'row' }, theirs(name)), el('td', null, shownValue(value))));
  if (rows.length > MOST) shown.push(el('tr', null, el('td', { colspan: 2 }, `and ${rows.length - MOST} more rows`)));
  return el('table', null, el('caption', null, caption), el('tbody', null, shown));
}

const isEmpty = (value) => value === null || value === undefined || value === '' || (typeof value === 'object' && !Object.keys(value).length);

function eventParts(event, owner, facts = []) {
  const known = ['source', 'component', 'group', 'class', 'timestamp'].map((name) => [name, event[name]]);
  const rows = [...facts, ...known].filter(([, value]) => !isEmpty(value));
  const { details } = event;
  const detailRows = isEmpty(details) ? [] : typeof details === 'object' && !Array.isArray(details) ? Object.entries(details) : [['details', details]];
  return [
    event.client || event.client_url ? el('p', null, 'Sent by ', link(event.client_url ?? event.client, event.client)) : null,
    event.links.length ? el('ul', { class: 'links', 'aria-label': 'Links' }, event.links.slice(0, MOST).map((each) => el('li', null, link(each.href, each.text)))) : null,
    event.images.length ? el('div', { class: 'images' }, event.images.slice(0, MOST).map((each) => image(each, owner))) : null,
    table('Details', detailRows),
    table('Alert', rows),
  ].filter(Boolean);
}

// ---- Time, by the sandbox's clock

let ahead = 0; // milliseconds

function age(at) {
  const seconds = Math.max(0, Math.floor((Date.now() + ahead - Date.parse(at)) / 1000));
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min ago` : `${hours} h ago`;
  const days = Math.floor(hours / 24);
  return `${days} day${days === 1 ? '' : 's'} ago`;
}

const moment = (at) => el('time', { datetime: at, title: new Date(at).toLocaleString() }, age(at));

function clockTime(at) {
  const then = new Date(at);
  const isToday = then.toDateString() === new Date(Date.now() + ahead).toDateString();
  return el('time', { datetime: at, title: age(at) }, isToday ? then.toLocaleTimeString() : then.toLocaleString());
}

// ---- Keeping lists: what is unchanged stays as it is, with its focus, its open parts and its images

const focusable = (node) => [...node.querySelectorAll('a, button, summary, [tabindex]')];

function replace(before, after) {
  const place = focusable(before).indexOf(document.activeElement);
  const opened = [...before.querySelectorAll('details')].map((each) => each.open);
  [...after.querySelectorAll('details')].forEach((each, index) => { each.open = opened[index] ?? each.open; });
  before.replaceWith(after);
  if (place >= 0) focusable(after)[place]?.focus({ preventScroll: true });
}

// `make` returns a new element; `renew`, if given, brings one up to date instead.
function keep(list, items, make, renew) {
  const old = new Map([...list.children].map((node) => [node.dataset.id, node]));
  const focused = document.activeElement;
  let place = list.firstElementChild;
  for (const item of items) {
    const state = JSON.stringify(item);
    let node = old.get(item.id);
    old.delete(item.id);
    if (!node || (node.state !== state && !renew)) {
      const fresh = make(item);
      fresh.dataset.id = item.id;
      if (node) { if (node === place) place = fresh; replace(node, fresh); }
      node = fresh;
    } else if (node.state !== state) renew(node, item);
    node.state = state;
    if (node === place) place = place.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const node of old.values()) node.remove();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

// ---- An incident

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const label = (severity, urgency) => el('span', { class: `severity ${severity ?? ''}`.trim() }, severity ?? `${urgency} urgency`);
const STATUS = { triggered: 'Triggered', acknowledged: 'Acknowledged', resolved: 'Resolved' };

function head(incident) {
  const { id, number, status } = incident;
  const button = (action, words, disabled) => el('button', {
    type: 'button', 'aria-disabled': disabled && 'true', 'data-action': action,
    click: () => disabled || act(incident, action),
  }, words, el('span', { class: 'unseen' }, ` incident ${number}`));
  return el('div', { class: 'head' },
    el('div', null,
      el('p', { class: 'marks' }, label(incident.severity, incident.urgency), el('span', { class: 'status' }, STATUS[status]),
        el('span', { class: 'number' }, `#${number}`)),
      theirs(incident.summary, 'h2'),
      el('p', { class: 'meta' }, theirs(incident.service), el('span', null, moment(incident.created_at)),
        el('span', null, counted(incident)),
        incident.notes ? el('span', null, plural(incident.notes, 'note')) : null,
        incident.assigned_to.length ? el('span', null, 'assigned to ', theirs(incident.assigned_to.join(', '))) : null,
        incident.snoozed_until ? el('span', null, `snoozed until ${new Date(incident.snoozed_until).toLocaleTimeString()}`) : null)),
    status === 'resolved' ? null : el('div', { class: 'actions' },
      // Kept when it is done, so that a second Enter does not fall on the other button.
      button('acknowledge', status === 'acknowledged' ? 'Acknowledged' : 'Acknowledge', status === 'acknowledged'),
      button('resolve', 'Resolve')));
}

function counted({ alerts, open_alerts: open, events }) {
  const some = alerts > 1 && open < alerts ? ` (${open} open)` : '';
  return `${plural(alerts, 'alert')}${some}, ${plural(events, 'event')}`;
}

function makeIncident(incident) {
  const body = el('div', { class: 'body' }, el('p', null, 'Loading…'));
  const more = el('details', { toggle: () => more.open && loadBody(node) },
    el('summary', null, 'Details and timeline', el('span', { class: 'unseen' }, ` of incident ${incident.number}`)), body);
  const node = el('li', null, head(incident), more);
  node.limit = 100;
  mark(node, incident);
  return node;
}

function renewIncident(node, incident) {
  replace(node.querySelector('.head'), head(incident));
  mark(node, incident);
  if (node.querySelector('details').open) loadBody(node);
}

function mark(node, { status, severity }) {
  node.className = ['incident', status, severity, node.classList.contains('new') && 'new'].filter(Boolean).join(' ');
}

async function loadBody(node) {
  const answer = await ask(`/sandbox/board/${node.dataset.id}?limit=${node.limit}`).catch(() => null);
  const body = node.querySelector('.body');
  if (!answer || !body) return;
  if (!body.querySelector('.timeline')) {
    body.replaceChildren(
      el('div', { class: 'alerts' }, el('div', { class: 'kept' }), el('p', { class: 'left' })),
      el('section', { class: 'story' }, el('h3', null, 'Timeline'), el('ol', { class: 'timeline' }), el('p', { class: 'older' })),
      el('div', { class: 'facts' }),
    );
  }
  const above = new Set(answer.alerts.map((each) => each.event?.id));
  keep(body.querySelector('.kept'), answer.alerts, (each) => alert(each, answer.alerts.length > 1));
  body.querySelector('.left').textContent = answer.more_alerts ? `and ${plural(answer.more_alerts, 'older alert')}` : '';
  keep(body.querySelector('.timeline'), answer.timeline.map((each) => ({ ...each, above: above.has(each.event?.id) })), entry);
  body.querySelector('.older').replaceChildren(...(answer.more ? [el('button', {
    type: 'button', click: () => { node.limit += 1000; loadBody(node); },
  }, `Show older (${answer.more})`)] : []));
  keep(body.querySelector('.facts'), [{ id: 'facts', rows: answer.facts }], ({ rows }) => el('div', null, table('Incident', rows)));
}

function alert(each, several) {
  const facts = [['dedup_key', each.dedup_key]];
  return el('section', { class: `alert ${each.status}`, 'aria-label': 'Alert' },
    several ? el('p', { class: 'marks' }, label(each.severity), el('span', { class: 'status' }, STATUS[each.status]), theirs(each.summary)) : null,
    each.event ? eventParts(each.event, each.id, facts) : table('Alert', facts));
}

const KINDS = {
  trigger: 'Triggered', again: 'Triggered again', acknowledge: 'Acknowledged', resolve: 'Resolved', note: 'Note',
  unacknowledge: 'Triggered again', assign: 'Assigned', snooze: 'Snoozed', escalate: 'Escalated',
  urgency_change: 'Urgency changed', custom_field_value_change: 'Fields changed',
};

function about({ kind, about: value }) {
  if (isEmpty(value)) return null;
  if (kind === 'note') return theirs(value, 'p', 'said');
  if (kind === 'assign') return el('span', null, 'to ', theirs(value));
  return kind === 'snooze' ? el('span', null, `for ${value} s`) : theirs(value);
}

function entry(each) {
  const { event, kind } = each;
  const words = KINDS[kind] ?? kind;
  const parts = event && !each.above ? eventParts(event, each.id) : [];
  const said = about(each);
  return el('li', { class: kind },
    el('p', { class: 'what' }, clockTime(each.at), el('b', null, words), event?.severity ? label(text(event.severity)) : null,
      kind === 'note' ? null : said,
      el('span', { class: 'by' }, event ? 'by an event to ' : 'by ', theirs(each.by)),
      each.no_change && kind !== 'trigger' ? el('span', { class: 'by' }, kind === 'again' ? '(nobody is notified)' : '(changed nothing)') : null),
    kind === 'note' ? said : null,
    isEmpty(event?.summary) ? null : theirs(event.summary, 'p'),
    parts.length ? el('details', null, el('summary', null, 'Details'), parts) : null);
}

// ---- A change event

function makeChange(change) {
  const parts = eventParts(change, change.id);
  return el('li', { class: 'incident change' },
    el('div', { class: 'head' }, el('div', null, theirs(change.summary, 'h2'),
      el('p', { class: 'meta' }, theirs(change.service), el('span', null, moment(change.received_at))))),
    parts.length ? el('details', null, el('summary', null, 'Details'), el('div', { class: 'body' }, parts)) : null);
}

// ---- Talking to the sandbox

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: 'no-store', ...options });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error?.message ?? `the sandbox answered ${response.status}`);
  return answer;
}

async function act({ id, number, summary }, action) {
  try {
    await ask(`/sandbox/incidents/${id}/${action}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Sandbox': 'page' }, body: '{}',
    });
    tell(`${action === 'resolve' ? 'Resolved' : 'Acknowledged'} incident ${number}: ${summary}`);
  } catch (error) {
    connection(`Incident ${number}: ${error.message}`, 'lost');
  }
  load();
}

const SHOWS = ['open', 'resolved', 'all', 'changes'];
// Another place of the page may be in the address, as the skip link's: that changes nothing.
const shown = () => SHOWS.find((each) => location.hash === `#${each}`) ?? (drawn || 'open');
let known = null; // the ids that were there before; null before the first look
let drawn = ''; // what was asked for when they were drawn
let loading = false;
let again = false;
let wakes = Infinity; // when the first snooze is over

async function load() {
  if (loading) { again = true; return; }
  loading = true;
  try {
    do {
      again = false;
      const show = shown();
      draw(show, await ask(`/sandbox/board?show=${show}`));
    } while (again);
  } catch (error) {
    connection(`Not up to date: ${error.message}`, 'lost');
  } finally {
    loading = false;
  }
}

function draw(show, board) {
  const { counts } = board;
  const items = board.incidents ?? board.changes;
  const open = counts.triggered + counts.acknowledged;
  const total = open + counts.resolved;
  ahead = Date.parse(board.now) - Date.now();
  wakes = Math.min(...items.map((each) => (each.snoozed_until ? Date.parse(each.snoozed_until) : Infinity)));
  for (const [id, count] of Object.entries({ open, resolved: counts.resolved, all: total, changes: counts.changes })) {
    $(`count-${id}`).textContent = count.toLocaleString();
  }
  for (const each of document.querySelectorAll('nav a')) {
    if (each.hash === `#${show}`) each.setAttribute('aria-current', 'page');
    else each.removeAttribute('aria-current');
  }
  document.title = `${open ? `(${open}) ` : ''}PagerDuty sandbox`;
  const list = $('incidents');
  const at = [...list.children].findIndex((each) => each.contains(document.activeElement));
  if (drawn !== show) list.replaceChildren();
  keep(list, items, board.changes ? makeChange : makeIncident, board.changes ? null : renewIncident);
  announce(list, items, show);
  drawn = show;
  if (at >= 0 && document.activeElement === document.body) {
    // What had the focus has gone: on to the one that came in its place.
    const next = list.children[Math.min(at, list.children.length - 1)];
    (next?.querySelector('summary') ?? document.querySelector('nav a[aria-current]')).focus();
  }
  $('more').hidden = !board.more;
  $('more').textContent = `and ${board.more.toLocaleString()} older ones, which are not shown`;
  $('nothing').hidden = items.length > 0;
  if (!items.length) nothing(show, total + counts.changes);
}

function nothing(show, total) {
  const words = show === 'changes' ? 'No change events' : show === 'open' && total ? 'Nothing is open' : show === 'resolved' ? 'Nothing is resolved' : 'No incidents yet';
  const advice = total ? 'New ones appear here by themselves.' : 'Send a first event, as shown below: it appears here by itself.';
  $('nothing').replaceChildren(el('b', null, words), advice);
  if (!total) $('how').open = true;
}

function announce(list, items, show) {
  const fresh = known && drawn === show ? items.filter((each) => !known.has(each.id)) : [];
  for (const node of list.children) if (fresh.some((each) => each.id === node.dataset.id)) node.classList.add('new');
  if (fresh.length === 1) tell(`New${fresh[0].severity ? ` ${fresh[0].severity}` : ''}: ${fresh[0].summary}`);
  else if (fresh.length) tell(`${fresh.length} new`);
  known = new Set(items.map((each) => each.id));
}

const tell = (words) => { $('news').textContent = words; };

function connection(words, name) {
  $('connection').textContent = words;
  $('connection').className = name;
}

function listen() {
  const updates = new EventSource('/sandbox/updates');
  updates.onmessage = () => { connection('Live', 'live'); load(); };
  updates.onerror = () => {
    connection('Not connected: trying again…', 'lost');
    if (updates.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // refused, where it gives up by itself
  };
}

function explain() {
  const key = '0'.repeat(32);
  const payload = '{"summary": "Hello from the shell", "source": "shell", "severity": "critical"}';
  const event = `{"routing_key": "${key}", "event_action": "trigger",\n  "dedup_key": "hello", "payload": ${payload}}`;
  const account = `{"conn_type": "pagerduty_events", "host": "${location.origin}", "password": "${key}"}`;
  $('curl').textContent = `curl ${location.origin}/v2/enqueue \\\n  -H 'Content-Type: application/json' -d '${event}'`;
  $('connection-line').textContent = `export AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT='${account}'`;
  $('authority').hidden = location.protocol !== 'https:';
  for (const button of document.querySelectorAll('[data-copies]')) {
    const source = $(button.dataset.copies);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(source); // the browser forbids it: then it is selected, to be copied by hand
        button.textContent = 'Selected';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
  }
}

explain();
listen();
addEventListener('hashchange', load);
setInterval(() => {
  for (const each of document.querySelectorAll('.meta time')) each.textContent = age(each.dateTime);
  if (Date.now() + ahead > wakes) load();
}, 5000);
