// Compiles Lua 5.1, read by luaparse, to JavaScript functions. Numbers are doubles as in Redis' Lua, strings are bytes (latin1).
import { type Chunk, type Expression, parse, type Statement } from 'luaparse';
import { type Around, call, condition, expression, list, results, values } from './expressions.ts';
import { parseNumber } from './numbers.ts';
import * as operators from './operators.ts';
import { Scope } from './scopes.ts';
import { STRINGS } from './strings.ts';
import { LuaError, type LuaFunction, LuaTable, type LuaValue, typeOf } from './values.ts';

/** What a compiled text is bound to. */
export interface Binding {
  global(name: string, line: number): LuaValue;
  setGlobal(name: string, value: LuaValue): void;
  /** The next error is raised on this line. */
  at(line: number): void;
}

type Maker = (runtime: Readonly<Record<string, unknown>>) => LuaFunction;

/** A text ready to be bound. Errors: LuaError of its syntax. */
export function compileLua(text: string, name: string): (binding: Binding) => LuaFunction {
  let chunk: Chunk;
  try {
    chunk = parse(text, {
      luaVersion: '5.1',
      encodingMode: 'pseudo-latin1',
      locations: true,
      ranges: true,
      comments: false,
    });
  } catch (error) {
    throw new LuaError(`${name}:${String((error as Error).message).replace(/^\[(\d+):\d+\] /, '$1: ')}`);
  }
  const around: Around = { scope: new Scope(), temps: [], source: text, body: functionOf };
  const code = bodyOf(chunk.body, around);
  const names = [...Object.keys(RUNTIME), 'global', 'setGlobal', 'at'].join(', ');
  // eslint-disable-next-line no-new-func -- the text is this program's own output
  const make = new Function(
    'R',
    `'use strict'; const { ${names} } = R; return (...varargs) => {${code}};`,
  ) as Maker;
  return (binding) => make({ ...RUNTIME, ...binding });
}

function index(table: LuaValue, key: LuaValue): LuaValue {
  if (table instanceof LuaTable) return table.get(key);
  if (typeof table === 'string') return STRINGS[String(key)];
  throw new LuaError(`attempt to index a ${typeOf(table)} value`);
}

function filled(table: LuaTable, pairs: readonly (readonly [LuaValue, LuaValue])[]): LuaTable {
  for (const [key, value] of pairs) table.rawSet(key, value);
  return table;
}

const { next: _next, nextInList: _list, ...OPERATORS } = operators;
const RUNTIME = {
  ...OPERATORS,
  LuaTable,
  index,
  filled,
  parseNumber,
  called: (value: LuaValue): LuaFunction => (typeof value === 'function' ? value : operators.callable(value)),
  truth: (value: LuaValue): boolean => value !== undefined && value !== false,
  /** Operands in the order in which they stand. */
  more: (a: LuaValue, b: LuaValue): boolean => operators.less(b, a),
  atLeast: (a: LuaValue, b: LuaValue): boolean => operators.atMost(b, a),
  NOTHING: [],
};

function functionOf(node: Extract<Expression, { type: 'FunctionDeclaration' }>, outer: Around): string {
  const around: Around = { ...outer, scope: new Scope(outer.scope), temps: [] };
  const isMethod = node.identifier?.type === 'MemberExpression' && node.identifier.indexer === ':';
  const names = isMethod ? [around.scope.declare('self')] : [];
  for (const parameter of node.parameters)
    names.push(parameter.type === 'VarargLiteral' ? '...varargs' : around.scope.declare(parameter.name));
  return `((${names.join(', ')}) => {${bodyOf(node.body, around)}})`;
}

/** A function's body: its temporaries, statements, and nothing as result where no `return` gives one. */
function bodyOf(body: readonly Statement[], around: Around): string {
  const code = body.map((node) => statement(node, around)).join('\n');
  const temps = around.temps.length > 0 ? `let ${around.temps.join(', ')};` : '';
  return `${temps}\n${code}\nreturn NOTHING;\n`;
}

/** A block with locals of its own. */
function block(body: readonly Statement[], outer: Around): string {
  const around = inner(outer);
  return body.map((node) => statement(node, around)).join('\n');
}

function inner(outer: Around): Around {
  return { ...outer, scope: new Scope(outer.scope) };
}

function statement(node: Statement, around: Around): string {
  switch (node.type) {
    case 'LocalStatement':
      return locals(node, around);
    case 'AssignmentStatement':
      return assignment(node, around);
    case 'CallStatement':
      return `${call(node.expression, around)};`;
    case 'FunctionDeclaration':
      return declaration(node, around);
    case 'ReturnStatement':
      return `return ${node.arguments.length === 0 ? 'NOTHING' : results(node.arguments, around)};`;
    case 'BreakStatement':
      return 'break;';
    case 'DoStatement':
      return `{${block(node.body, around)}}`;
    case 'IfStatement':
      return node.clauses
        .map((clause) =>
          clause.type === 'ElseClause'
            ? `{${block(clause.body, around)}}`
            : `if (${condition(clause.condition, around)}) {${block(clause.body, around)}}`,
        )
        .join(' else ');
    default:
      return loop(node, around);
  }
}

function loop(node: Statement, around: Around): string {
  if (node.type === 'WhileStatement')
    return `while (${condition(node.condition, around)}) {${block(node.body, around)}}`;
  if (node.type === 'RepeatStatement') {
    // The condition sees the locals of the body.
    const within = inner(around);
    const body = node.body.map((one) => statement(one, within)).join('\n');
    return `for (;;) {${body}\nif (${condition(node.condition, within)}) break;}`;
  }
  if (node.type === 'ForNumericStatement') return counting(node, around);
  if (node.type === 'ForGenericStatement') return iterating(node, around);
  throw new LuaError(`${node.type} is not Lua 5.1`);
}

function counting(node: Extract<Statement, { type: 'ForNumericStatement' }>, around: Around): string {
  const within = inner(around);
  const [i, end, step] = [around.scope.fresh('i'), around.scope.fresh('end'), around.scope.fresh('step')];
  const head = [
    `let ${i} = loopNumber(${expression(node.start, around)}, 'initial value')`,
    `${end} = loopNumber(${expression(node.end, around)}, 'limit')`,
    `${step} = ${node.step === null ? '1' : `loopNumber(${expression(node.step, around)}, 'step')`}`,
  ];
  const name = within.scope.declare(node.variable.name);
  const goesOn = `${step} > 0 ? ${i} <= ${end} : ${i} >= ${end}`;
  return `for (${head.join(', ')}; ${goesOn}; ${i} += ${step}) {let ${name} = ${i};\n${block(node.body, within)}}`;
}

function iterating(node: Extract<Statement, { type: 'ForGenericStatement' }>, around: Around): string {
  const within = inner(around);
  const held = around.scope.fresh('steps');
  const head = `const ${held} = steps(${values(node.iterators, around)});`;
  const names = node.variables.map(({ name }) => within.scope.declare(name));
  const taken = names.map((name, i) => `${name} = ${held}.values[${i}]`).join(', ');
  return `{${head} while (${held}.step()) {let ${taken};\n${block(node.body, within)}}}`;
}

function locals(node: Extract<Statement, { type: 'LocalStatement' }>, around: Around): string {
  const { variables, init } = node;
  if (variables.length === 1 && init.length <= 1) {
    const value = init.length === 0 ? 'undefined' : expression(init[0], around);
    return `let ${around.scope.declare(variables[0].name)} = ${value};`;
  }
  if (init.length === 0) return `let ${variables.map(({ name }) => around.scope.declare(name)).join(', ')};`;
  const held = around.scope.fresh();
  const head = `const ${held} = ${values(init, around)};`;
  const names = variables.map(({ name }) => around.scope.declare(name));
  return `${head} let ${names.map((name, i) => `${name} = ${held}[${i}]`).join(', ')};`;
}

function assignment(node: Extract<Statement, { type: 'AssignmentStatement' }>, around: Around): string {
  const { variables, init } = node;
  if (variables.length === 1 && init.length === 1)
    return `${store(variables[0], around)(expression(init[0], around))};`;
  const stores = variables.map((variable) => store(variable, around));
  const held = around.scope.fresh();
  around.temps.push(held);
  return `${held} = [${list(init, around)}]; ${stores.map((put, i) => `${put(`${held}[${i}]`)};`).join(' ')}`;
}

/** How a value is put into a variable. */
function store(target: Expression, around: Around): (value: string) => string {
  if (target.type === 'Identifier') {
    const local = around.scope.find(target.name);
    return (value) =>
      local === undefined ? `setGlobal(${JSON.stringify(target.name)}, ${value})` : `${local} = ${value}`;
  }
  if (target.type === 'MemberExpression')
    return (value) =>
      `setIndex(${expression(target.base, around)}, ${JSON.stringify(target.identifier.name)}, ${value})`;
  if (target.type === 'IndexExpression')
    return (value) =>
      `setIndex(${expression(target.base, around)}, ${expression(target.index, around)}, ${value})`;
  throw new LuaError('cannot assign to this');
}

function declaration(node: Extract<Statement, { type: 'FunctionDeclaration' }>, around: Around): string {
  const { identifier } = node;
  if (identifier === null) throw new LuaError('a function statement has a name');
  if (node.isLocal && identifier.type === 'Identifier') {
    const name = around.scope.declare(identifier.name);
    return `let ${name} = ${functionOf(node, around)};`;
  }
  return `${store(identifier, around)(functionOf(node, around))};`;
}
